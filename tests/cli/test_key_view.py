"""One key in full."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tokenworks.cli.key_view import print_key, view
from tokenworks.ledger.limit_rows import PlanRow, SubscriptionRow, TeamRow
from tokenworks.ledger.store import Store, open_store
from tokenworks.plans import keys
from tokenworks.plans.granting import grant, top_up, written


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = open_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    made.migrate()
    yield made
    made.close()


def test_everything_of_a_key_is_shown(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    store.add_team(TeamRow("t_1", "research", '{"models":["acme/*"]}', 1, 1))
    key_id, _ = keys.create(store, "alice", b"p" * 32, team_id="t_1", rules='{"loops":{"repeats":3}}')
    grant(store, "key", key_id, [written("20/month")])
    grant(store, "team", "t_1", [written("500/month")])
    grant(store, "team", "t_2", [written("9/month")])
    top_up(store, "key", key_id, 5)
    spec = '{"name":"pro","windows":[{"credits":50,"window":"week"}],"used_up":"queue"}'
    store.put_plan(PlanRow("pro", spec, 1, 1))
    store.subscribe(SubscriptionRow("team", "t_1", "pro", 1))
    keys.rotate(store, key_id, b"p" * 32, 3600)
    row = store.key(key_id)
    assert row is not None
    shown = view(store, row)
    assert [(each["scope"], each["amount"]) for each in shown["limits"]] == [("key", 20.0), ("team", 500.0)]
    assert [each["amount"] for each in shown["wallets"]] == [5.0]
    assert (shown["plan"]["name"], shown["plan"]["scope"]) == ("pro", "team")
    assert shown["team"]["rules"] == {"models": ["acme/*"]}
    assert shown["active"]
    print_key(shown)
    told = capsys.readouterr().out
    for piece in (
        "member, team research, active",
        "loops: repeats 3",
        "team's models: acme/*",
        "key alice",
        "team research",
        "wallet of $5.00",
        "plan pro (team's)",
        "then queue",
        "week: 0 of 50 credits, resets",
        "old secret until: ",
    ):
        assert piece in told, piece


def test_a_key_without_anything(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    key_id, _ = keys.create(store, "alice", b"p" * 32)
    store.update_key(key_id, disabled=True)
    row = store.key(key_id)
    assert row is not None
    shown = view(store, row)
    assert (shown["rules"], shown["limits"], shown["plan"], shown["team"]) == ({}, [], None, None)
    print_key(shown)
    told = capsys.readouterr().out
    assert "disabled" in told
    assert "no limits; tokenworks budget add" in told

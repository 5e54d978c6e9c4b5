"""Plans, teams, fair use and stopped sessions as a page shows them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fresh_store import fresh_store

from tokenworks.console import plan_cards as cards
from tokenworks.ledger.limit_rows import ActionRow, PlanRow, StopRow, SubscriptionRow, TeamRow, Want
from tokenworks.ledger.record import Record
from tokenworks.ledger.rows import KeyRow
from tokenworks.ledger.store import Store
from tokenworks.plans.account import account_id
from tokenworks.plans.spec import NANO_CREDIT

NOW_US = time.time_ns() // 1000
PRO = '{"name":"pro","price_usd":20,"windows":[{"credits":10,"window":"lifetime"}]}'


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = fresh_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    made.add_team(TeamRow("t_1", "research", "", 1, 1))
    for key_id, team_id in (("k_1", "t_1"), ("k_2", ""), ("k_3", "t_1")):
        made.add_key(
            KeyRow(key_id, f"name {key_id}", "member", "", 1, None, key_id.encode(), team_id=team_id)
        )
    made.put_plan(PlanRow("pro", PRO, 1, 1))
    yield made
    made.close()


def test_subscribers_stand_with_the_fullest_first(store: Store) -> None:
    for scope, subject in (("key", "k_1"), ("key", "k_2"), ("team", "t_1"), ("key", "k_3")):
        store.subscribe(SubscriptionRow(scope, subject, "pro", 1))
    store.revoke_key("k_3")
    limit_id, subject = "plan:pro:lifetime", "key:k_2"
    account = account_id(limit_id, subject)
    store.lease("w1", [Want(account, limit_id, subject, 2**60, 0, 4 * NANO_CREDIT, 0)], {}, [], 1)
    store.append("w1.1", 0, [Record("gen-1", NOW_US, charges=(account, 0, 4 * NANO_CREDIT))])
    (card,) = cards.plan_cards(store, store.keys(), NOW_US)
    assert [each.subject for each in card.subscribers] == ["k_2", "k_1", "t_1"]
    assert card.subscribers[0].part == 0.4
    assert (card.count, card.month_usd) == (3, 60.0)  # those of revoked keys pay nothing


def test_a_plan_that_cannot_be_read_is_shown_as_such(store: Store) -> None:
    store.put_plan(PlanRow("odd", '{"of_a_later_version":1}', 1, 1))
    store.subscribe(SubscriptionRow("key", "k_1", "odd", 1))
    odd, _ = cards.plan_cards(store, store.keys(), NOW_US)
    assert (odd.name, odd.spec, odd.count, odd.month_usd) == ("odd", None, 1, 0.0)


def test_commands_can_be_pasted_whatever_a_plan_is_called() -> None:
    assert cards.assign_command("pro") == "tokenworks plan assign pro --key KEY"
    assert cards.assign_command("$(rm x)") == "tokenworks plan assign '$(rm x)' --key KEY"


def test_a_team_has_what_its_keys_spent(store: Store) -> None:
    rows = [Record(f"gen-{key}", NOW_US, key, cost_nano_usd=1_500_000_000) for key in ("k_1", "k_2", "k_3")]
    store.append("w.1", 0, rows)
    store.revoke_key("k_3")
    store.subscribe(SubscriptionRow("team", "t_1", "pro", 1))
    (team,) = cards.team_cards(store, store.keys(), NOW_US)
    assert (team.name, team.keys, team.month_usd, team.plan) == ("research", 1, 3.0, "pro")


def test_actions_tell_reasons_and_whether_they_are_over(store: Store) -> None:
    store.set_action(ActionRow("k_1", "slow", '["first","second"]', 1, NOW_US))
    store.set_action(ActionRow("k_2", "suspend", "no JSON", 2, None))
    found = {each.key_id: each for each in cards.action_lines(store, store.keys(), NOW_US)}
    assert (found["k_1"].reasons, found["k_1"].active, found["k_1"].name) == (
        ["first", "second"],
        False,
        "name k_1",
    )
    assert (found["k_2"].reasons, found["k_2"].active) == (["no JSON"], True)


def test_stops_are_told_the_latest_first(store: Store) -> None:
    store.stop_session(StopRow("old", "", 1))
    store.stop_session(StopRow("new", "k_1", 2))
    assert [(each.session, each.name) for each in cards.stop_lines(store, store.keys())] == [
        ("new", "name k_1"),
        ("old", ""),
    ]

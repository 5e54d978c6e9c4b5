import json
import sqlite3
from pathlib import Path

import pytest

from tokenworks.errors import StoreError
from tokenworks.ledger.limit_rows import (
    ACTIONS,
    SCOPES,
    UNITS,
    ActionRow,
    LimitRow,
    PlanRow,
    StopRow,
    SubscriptionRow,
    TeamRow,
    Want,
)
from tokenworks.ledger.rows import KeyRow


def limit(number: int = 1, **fields) -> LimitRow:
    values = {
        "id": f"l_{number}",
        "scope": "key",
        "subject": "k_1",
        "unit": "usd",
        "amount": 20_000_000_000,
        "window": "month",
        "created_us": number,
        "updated_us": number,
    }
    return LimitRow(**(values | fields))


def did(store) -> list[tuple[str, str, str]]:
    """Who did what to whom, oldest first."""
    return [(entry.actor, entry.action, entry.target) for entry in store.audit()][::-1]


def test_limits_are_kept_changed_and_removed(store) -> None:
    rows = [
        limit(2, scope="user", subject="*", within="t_1", timezone="Asia/Tokyo", strict=True),
        limit(1, purpose="wallet", window="lifetime"),
    ]
    for row in rows:
        store.add_limit(row, actor="cli:ann")
    assert store.limits() == rows[::-1]
    changed = store.update_limit("l_2", amount=7, actor="cli:bob")
    assert changed == store.limits()[1]
    assert changed == limit(
        2,
        **{"scope": "user", "subject": "*", "within": "t_1", "timezone": "Asia/Tokyo", "strict": True},
        amount=7,
        updated_us=changed.updated_us,
    )
    assert changed.updated_us > 2
    assert store.update_limit("l_2", strict=False).strict is False
    assert store.update_limit("l_2") == store.limits()[1]
    assert store.update_limit("l_9", amount=1) is None
    assert store.remove_limit("l_2", actor="cli:ann")
    assert not store.remove_limit("l_2")
    assert store.limits() == [rows[1]]
    assert did(store) == [
        ("cli:ann", "limit.create", "l_2"),
        ("cli:ann", "limit.create", "l_1"),
        ("cli:bob", "limit.update", "l_2"),
        ("", "limit.update", "l_2"),
        ("cli:ann", "limit.remove", "l_2"),
    ]
    details = [json.loads(entry.detail or "{}") for entry in store.audit(target="l_2")][::-1]
    assert details[0]["amount"] == 20_000_000_000
    assert details[1:] == [{"amount": 7}, {"strict": False}, {}]


def test_what_is_no_limit_is_refused(store) -> None:
    for number, scope in enumerate(SCOPES):
        store.add_limit(limit(number, scope=scope))
    for number, unit in enumerate(UNITS):
        store.add_limit(limit(100 + number, unit=unit))
    for fields in ({"scope": "planet"}, {"unit": "miles"}, {"amount": -1}, {"purpose": "fun"}):
        with pytest.raises(StoreError, match="CHECK"):
            store.add_limit(limit(200, **fields))
    with pytest.raises(StoreError, match="UNIQUE"):
        store.add_limit(limit(1))
    assert len(did(store)) == len(store.limits()) == len(SCOPES) + len(UNITS)


def test_a_removed_limit_takes_its_accounts_along_and_no_others(store, make) -> None:
    store.add_limit(limit(1))
    store.add_limit(limit(2))
    wants = [Want(n, f"l_{n % 2 + 1}", f"s{n}", 100, 0, 8, 0) for n in range(1, 5)]
    store.lease("w", wants, {}, (), 1)
    store.append("w.1.x", 1, [make(charges=(1, 0, 3, 2, 0, 3, 3, 0, 3, 4, 0, 3))])
    assert store.remove_limit("l_1")
    assert {(row.account, row.limit_id, row.spent) for row in store.standings()} == {
        (1, "l_2", 3),
        (3, "l_2", 3),
    }
    assert store.leases_of("w") == {1: 8, 3: 8}
    store.append("w.1.x", 2, [make(charges=(1, 0, 1, 2, 0, 1))])
    assert [row.spent for row in store.standings()] == [4, 3]
    assert store._connection().execute("SELECT sum(spent) FROM account_spent").fetchone() == (7,)
    store.add_limit(limit(1))
    [again] = store.lease("w", [wants[1]], {}, (), 9).given
    assert (again.spent, again.leased, again.opened_us) == (0, 8, 9)


def test_teams_are_kept_by_name(store) -> None:
    ops, dev = TeamRow("t_1", "ops", "", 1, 1), TeamRow("t_2", "dev", '{"models":["a*"]}', 2, 2)
    assert store.add_team(ops, actor="k_1")
    assert store.add_team(dev, actor="k_1")
    assert not store.add_team(TeamRow("t_3", "ops", "", 3, 3))
    assert store.teams() == [dev, ops]
    renamed = store.update_team("t_1", name="all", rules="{}", actor="k_1")
    assert (renamed.name, renamed.rules, renamed.created_us) == ("all", "{}", 1)
    assert store.teams()[0] == renamed
    assert renamed.updated_us > 1
    assert store.update_team("t_1") == renamed
    assert store.update_team("t_9", name="x") is None
    with pytest.raises(StoreError, match="UNIQUE"):
        store.update_team("t_1", name="dev")
    assert store.remove_team("t_1", actor="k_1")
    assert not store.remove_team("t_1")
    assert did(store) == [
        ("k_1", "team.create", "t_1"),
        ("k_1", "team.create", "t_2"),
        ("k_1", "team.update", "t_1"),
        ("k_1", "team.remove", "t_1"),
    ]


def test_a_removed_team_leaves_nothing_behind(store) -> None:
    store.add_team(TeamRow("t_1", "ops", "", 1, 1))
    for number, team in enumerate(("t_1", "t_2", "t_1")):
        store.add_key(KeyRow(f"k_{number}", "a", "manager", "…", 1, None, bytes([number]) * 32, team_id=team))
    store.add_limit(limit(1, scope="team", subject="t_1"))
    store.add_limit(limit(2, scope="user", subject="*", within="t_1"))
    store.add_limit(limit(3, scope="team", subject="t_2"))
    store.add_limit(limit(4, scope="user", subject="t_1"))  # somebody who calls himself so
    store.put_plan(PlanRow("pro", "{}", 1, 1))
    store.subscribe(SubscriptionRow("team", "t_1", "pro", 1))
    store.subscribe(SubscriptionRow("key", "t_1", "pro", 1))
    keys, plans, before = store.keys_version(), store.plans_version(), len(did(store))
    assert store.remove_team("t_1", actor="k_9")
    assert [row.id for row in store.limits()] == ["l_3", "l_4"]
    assert [row.scope for row in store.subscriptions()] == ["key"]
    teams = [key.team_id for key in store.keys()]  # noqa: SIM118 (no dict)
    assert teams == ["", "t_2", ""]
    assert store.keys_version() > keys
    assert store.plans_version() > plans
    assert sorted(did(store)[before:]) == [
        ("k_9", "key.update", "k_0"),
        ("k_9", "key.update", "k_2"),
        ("k_9", "limit.remove", "l_1"),
        ("k_9", "limit.remove", "l_2"),
        ("k_9", "plan.unsubscribe", "t_1"),
        ("k_9", "team.remove", "t_1"),
    ]


def test_plans_and_who_has_them(store) -> None:
    store.put_plan(PlanRow("pro", '{"a":1}', 1, 1), actor="k_1")
    store.put_plan(PlanRow("lite", "{}", 2, 2), actor="k_1")
    store.put_plan(PlanRow("pro", '{"a":2}', 5, 6), actor="k_1")
    assert store.plans() == [PlanRow("lite", "{}", 2, 2), PlanRow("pro", '{"a":2}', 1, 6)]
    store.subscribe(SubscriptionRow("key", "k_2", "lite", 3), actor="k_1")
    store.subscribe(SubscriptionRow("team", "t_1", "lite", 3), actor="k_1")
    store.subscribe(SubscriptionRow("key", "k_2", "pro", 4), actor="k_1")
    assert store.subscriptions() == [
        SubscriptionRow("key", "k_2", "pro", 4),
        SubscriptionRow("team", "t_1", "lite", 3),
    ]
    assert not store.remove_plan("pro")
    assert store.unsubscribe("key", "k_2", actor="k_1")
    assert not store.unsubscribe("key", "k_2")
    assert not store.unsubscribe("key", "t_1")
    assert store.remove_plan("pro", actor="k_1")
    assert not store.remove_plan("pro")
    with pytest.raises(StoreError, match="no plan 'pro'; make it first"):
        store.subscribe(SubscriptionRow("key", "k_2", "pro", 4))
    assert [name for _, name, _ in did(store)] == [
        *["plan.put"] * 3,
        *["plan.subscribe"] * 3,
        "plan.unsubscribe",
        "plan.remove",
    ]
    assert json.loads(store.audit(target="k_2")[1].detail) == {"scope": "key", "plan": "pro", "since_us": 4}


def test_sessions_are_stopped_and_resumed(store) -> None:
    store.stop_session(StopRow("s2", "", 5), actor="k_1")
    store.stop_session(StopRow("s1", "k_2", 4), actor="k_1")
    store.stop_session(StopRow("s2", "", 6), actor="k_1")
    assert store.stops() == [StopRow("s1", "k_2", 4), StopRow("s2", "", 6)]
    assert not store.resume_session("s1")
    assert store.resume_session("s1", "k_2", actor="k_1")
    assert store.stops() == [StopRow("s2", "", 6)]
    assert did(store) == [
        ("k_1", "session.stop", "s2"),
        ("k_1", "session.stop", "s1"),
        ("k_1", "session.stop", "s2"),
        ("k_1", "session.resume", "s1"),
    ]


def test_one_thing_is_done_about_a_key(store) -> None:
    for action in ACTIONS:
        store.set_action(ActionRow("k_1", action, "[]", 1))
    last = ActionRow("k_1", "slow", '["day and night"]', 2, 9)
    store.set_action(last, actor="tokenworks")
    store.set_action(ActionRow("k_2", "suspend", "[]", 1), actor="tokenworks")
    assert store.actions() == [ActionRow("k_2", "suspend", "[]", 1), last]
    with pytest.raises(StoreError, match="CHECK"):
        store.set_action(ActionRow("k_1", "scold", "[]", 1))
    assert store.lift_action("k_1", actor="k_9")
    assert not store.lift_action("k_1")
    assert did(store)[-2:] == [("tokenworks", "fair_use.act", "k_2"), ("k_9", "fair_use.lift", "k_1")]


def test_every_change_changes_the_version_and_no_other_does(store, make) -> None:
    store.put_plan(PlanRow("pro", "{}", 1, 1))
    seen = store.plans_version()
    for change in (
        lambda: store.add_limit(limit()),
        lambda: store.update_limit("l_1", amount=3),
        lambda: store.remove_limit("l_1"),
        lambda: store.add_team(TeamRow("t_1", "ops", "", 1, 1)),
        lambda: store.update_team("t_1", rules="{}"),
        lambda: store.remove_team("t_1"),
        lambda: store.put_plan(PlanRow("pro", "{ }", 1, 1)),
        lambda: store.subscribe(SubscriptionRow("key", "k_1", "pro", 1)),
        lambda: store.unsubscribe("key", "k_1"),
        lambda: store.remove_plan("pro"),
        lambda: store.stop_session(StopRow("s", "", 1)),
        lambda: store.resume_session("s"),
        lambda: store.set_action(ActionRow("k_1", "slow", "[]", 1)),
        lambda: store.lift_action("k_1"),
    ):
        change()
        assert store.plans_version() > seen, change.__code__.co_firstlineno
        seen = store.plans_version()
    store.remove_limit("l_1")
    store.lease("w", [Want(1, "l", "s", 9, 0, 5, 1)], {}, (), 1)
    store.append("w.1", 1, [make(charges=(1, 0, 2))])
    store.refund(1, 0, 1)
    assert store.plans_version() == seen


def test_a_limit_changed_by_hand_changes_the_version(store, tmp_path: Path) -> None:
    store.add_limit(limit())
    before = store.plans_version()
    other = sqlite3.connect(tmp_path / "ledger.db")
    with other:
        other.execute("UPDATE limits SET amount = 1")
    other.close()
    assert store.plans_version() > before

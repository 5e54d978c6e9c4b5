"""What limits whom, as the store says it: changes arrive, and what can't be read harms only its owner."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from pathlib import Path
from typing import Any

import pytest
from fresh_store import fresh_store
from limiting import limit, rule, subscribe

from tokenworks.errors import Forbidden, StoreError
from tokenworks.ledger.limit_rows import ActionRow, LimitRow, PlanRow, StopRow, SubscriptionRow, TeamRow
from tokenworks.ledger.store import Store
from tokenworks.plans import keys
from tokenworks.plans.book import Book
from tokenworks.plans.keys import Key, KeyBook
from tokenworks.plans.leases import Leases
from tokenworks.plans.rules import LoopRules, Rules, write
from tokenworks.plans.spec import ModelClass, PlanSpec, PlanWindow

PEPPER = b"p" * 32


class Down:
    """A store that fails while ``down``."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.down = False

    def __getattr__(self, name: str) -> Any:
        if self.down:
            raise StoreError("down")
        return getattr(self.store, name)


class Office:
    """A store with what reads it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.front = Down(store)
        self.keys = KeyBook(self.front, PEPPER)  # type: ignore[arg-type]
        self.leases = Leases(self.front, asyncio.get_running_loop(), "w")  # type: ignore[arg-type]
        self.book = Book(self.front, self.leases)  # type: ignore[arg-type]

    def key(self, **more: Any) -> Key:
        _, secret = keys.create(self.store, f"key{time.monotonic_ns()}", PEPPER, **more)
        found = self.keys.check(secret.encode())
        assert found is not None
        return found

    def changed(self) -> None:
        """What housekeeping does."""
        if self.keys.reload_if_changed():
            self.book.keys_changed()
        self.book.reload_if_changed()


@pytest.fixture
async def office(tmp_path: Path) -> Any:
    store = fresh_store(f"sqlite:///{tmp_path / 'store.db'}")
    made = Office(store)
    yield made
    made.leases.close()
    store.close()


def plan(name: str = "flat", **more: Any) -> PlanSpec:
    return PlanSpec(name, windows=(PlanWindow(1, "5h"),), classes=(ModelClass("all", ("*",)),), **more)


async def test_a_key_that_nothing_limits_has_no_allowance(office: Office) -> None:
    key = office.key()
    assert office.book.of(key) is None
    limit(office.store, "k_other", "requests", 1)
    limit(office.store, "t_other", "usd", 1, scope="team")
    limit(office.store, "", "usd", 1, scope="user", subject="*", within="k_other")
    office.changed()
    assert office.book.of(key) is None and not office.leases.accounts


async def test_limits_arrive_and_go(office: Office) -> None:
    key = office.key()
    assert office.book.of(key) is None
    budget = limit(office.store, key.id, "usd", 1)
    assert office.book.of(key) is None  # not before housekeeping
    office.changed()
    first = office.book.of(key)
    assert first is not None and [each.limit_id for each in first.meters] == [budget]
    assert office.book.of(key) is first
    office.changed()
    assert office.book.of(key) is first  # nothing changed
    office.store.update_limit(budget, amount=5)
    office.changed()
    second = office.book.of(key)
    assert second is not None and second is not first
    assert second.meters[0] is first.meters[0] and second.meters[0].cap == 5
    office.store.remove_limit(budget)
    office.changed()
    assert office.book.of(key) is None


async def test_a_key_made_a_moment_ago_is_limited_from_its_first_request(office: Office) -> None:
    key_id, secret = keys.create(office.store, "new", PEPPER)
    limit(office.store, key_id, "requests", 1)
    key = office.keys.check(secret.encode())
    assert key is not None
    assert office.book.of(key) is not None  # no housekeeping in between


async def test_what_is_known_of_a_key_outlives_a_change(office: Office) -> None:
    key = office.key()
    limit(office.store, key.id, "usd", 1)
    office.changed()
    first = office.book.of(key)
    assert first is not None
    if first.block is not None:
        first.block.typical = 77
    first.typical = 77
    limit(office.store, key.id, "requests", 5)
    office.changed()
    second = office.book.of(key)
    assert second is not None and second.typical == 77


async def test_rules_and_limits_of_the_team_count_too(office: Office) -> None:
    now_us = time.time_ns() // 1000
    rules = write(Rules(max_output_tokens=5, loops=LoopRules(iterations=30)))
    office.store.add_team(TeamRow("t_1", "us", rules, now_us, now_us))
    key = office.key(team_id="t_1", rules=write(Rules(max_output_tokens=9, loops=LoopRules(iterations=10))))
    both = [limit(office.store, key.id, "usd", 1), limit(office.store, "t_1", "usd", 2, scope="team")]
    office.changed()
    found = office.book.of(key)
    assert found is not None
    assert [each.limit_id for each in found.meters] == both and found.max_output_tokens == 5
    (iterations,) = found.templates  # one, or each request would count twice
    assert iterations.cap == 10


async def test_plans_of_key_and_team(office: Office) -> None:
    now_us = time.time_ns() // 1000
    office.store.add_team(TeamRow("t_1", "us", "", now_us, now_us))
    one, two = office.key(team_id="t_1"), office.key(team_id="t_1")
    office.store.put_plan(PlanRow("team", '{"name":"team"}', now_us, now_us))
    office.store.subscribe(SubscriptionRow("team", "t_1", "team", now_us))
    subscribe(office.store, one.id, plan("own"))
    office.changed()
    assert {name: spec.name for name, spec in office.book.specs().items()} == {"t_1": "team", one.id: "own"}
    names = []
    for key in (one, two):
        found = office.book.of(key)
        assert found is not None and found.subscription is not None
        names.append(found.subscription.spec.name)
    assert names == ["own", "team"]  # its own goes first


async def test_stops_and_actions(office: Office) -> None:
    now_us = time.time_ns() // 1000
    key = office.key()
    assert not office.book.stopped("s", key.id)
    office.store.stop_session(StopRow("s", key.id, now_us))
    office.store.stop_session(StopRow("all", "", now_us))
    office.store.set_action(ActionRow(key.id, "suspend", "[]", now_us))
    office.changed()
    assert office.book.stopped("s", key.id) and not office.book.stopped("s", "k_other")
    assert office.book.stopped("all", "k_other")
    found = office.book.of(key)
    assert found is not None and found.action is not None


# --- what can't be read ---------------------------------------------------------------------------


async def test_rules_that_cannot_be_read_harm_only_their_owner(office: Office) -> None:
    now_us = time.time_ns() // 1000
    bad, fine = office.key(rules='{"modles":[]}'), office.key(rules=write(Rules(models=("a",))))
    office.store.add_team(TeamRow("t_1", "us", "nonsense", now_us, now_us))
    member = office.key(team_id="t_1")
    office.changed()
    for key, owner in ((bad, bad.id), (member, "t_1"), (bad, bad.id)):
        with pytest.raises(Forbidden, match=f"rules of {owner} can't be read"):
            office.book.of(key)
    assert office.book.of(fine) is not None
    rule(office.store, bad.id, models=("a",))
    office.changed()
    assert office.book.of(bad) is not None


@pytest.mark.parametrize("bad", ["window", "hours", "timezone"])
async def test_limits_that_cannot_be_read_harm_only_their_owner(office: Office, bad: str) -> None:
    key, other = office.key(), office.key()
    limit(office.store, other.id, "usd", 1)
    if bad == "hours":
        office.store.update_key(key.id, rules='{"hours":["sometimes"]}')
    else:
        now_us = time.time_ns() // 1000
        row = LimitRow("l_bad", "key", key.id, "usd", 1, "month", now_us, now_us)
        changed = {"window": "fortnight"} if bad == "window" else {"timezone": "Nowhere/Else"}
        office.store.add_limit(LimitRow(**{f: getattr(row, f) for f in row.__struct_fields__} | changed))
    office.changed()
    with pytest.raises(Forbidden, match="can't be read"):
        office.book.of(key)
    assert office.book.of(other) is not None


async def test_one_unreadable_limit_of_users_blocks_nobody(office: Office) -> None:
    key = office.key()
    limit(office.store, "", "requests", 1, "fortnight", scope="user", subject="*")
    good = limit(office.store, "", "requests", 1, "day", scope="user", subject="*")
    office.changed()
    found = office.book.of(key)
    assert found is not None and [each.limit_id for each in found.templates] == [good]


@pytest.mark.parametrize("spec", ["nonsense", '{"name":"bad","windows":[{"credits":1,"window":"x"}]}'])
async def test_a_plan_that_cannot_be_read_gives_nobody_everything(office: Office, spec: str) -> None:
    now_us = time.time_ns() // 1000
    bad, fine, none = office.key(), office.key(), office.key()
    office.store.put_plan(PlanRow("bad", spec, now_us, now_us))
    office.store.subscribe(SubscriptionRow("key", bad.id, "bad", now_us))
    subscribe(office.store, fine.id, plan())
    office.changed()
    with pytest.raises(Forbidden, match="plan bad can't be read"):
        office.book.of(bad)
    assert office.book.of(fine) is not None and office.book.of(none) is None
    assert set(office.book.specs()) == {fine.id}


# --- the store is down ----------------------------------------------------------------------------


async def test_what_is_known_stays_while_the_store_is_down(office: Office) -> None:
    limited, free = office.key(), office.key()
    limit(office.store, limited.id, "usd", 1)
    office.changed()
    before = office.book.of(limited), office.book.of(free)
    office.front.down = True
    with pytest.raises(StoreError):
        office.book.reload_if_changed()
    assert (office.book.of(limited), office.book.of(free)) == before


async def test_an_old_key_needs_no_store_for_its_first_request(office: Office) -> None:
    """A worker that was started an hour ago, a key that it has not met: nothing blocks it."""
    key = office.key()
    office.changed()
    key.created_us -= 3_600_000_000
    office.front.down = True
    assert office.book.of(key) is None


async def test_a_key_made_while_the_store_is_down_is_not_taken_for_unlimited(office: Office) -> None:
    key = office.key()
    office.front.down = True
    with pytest.raises(StoreError):
        office.book.of(key)


@pytest.mark.parametrize("seed", range(5))
async def test_a_key_without_limits_is_never_blocked(office: Office, seed: int) -> None:
    """Random histories of everything that limits others, with a store that fails now and then."""
    draw = random.Random(seed)
    now_us = time.time_ns() // 1000
    ours = [office.key() for _ in range(3)]
    for each in ours:
        office.book.of(each)
    office.store.add_team(TeamRow("t_1", "them", "", now_us, now_us))
    others = [office.key(team_id=draw.choice(("", "t_1"))) for _ in range(5)]
    made: list[str] = []
    for _ in range(120):
        office.front.down = False
        other = draw.choice(others)
        what = draw.randrange(9)
        if what == 0:
            made.append(limit(office.store, other.id, draw.choice(("usd", "requests")), draw.random()))
        elif what == 1:
            made.append(limit(office.store, "t_1", "tokens", 1, scope="team"))
        elif what == 2:
            scope = draw.choice(("app", "user", "session"))
            within = draw.choice((other.id, "t_1"))
            made.append(limit(office.store, "", "requests", 0, scope=scope, subject="*", within=within))
        elif what == 3 and made:
            office.store.remove_limit(made.pop(draw.randrange(len(made))))
        elif what == 4:
            office.store.update_key(other.id, rules=draw.choice(("", "bad", '{"models":["none"]}')))
        elif what == 5:
            office.store.set_action(ActionRow(other.id, "suspend", "[]", now_us))
        elif what == 6:
            subscribe(office.store, other.id, plan())
        elif what == 7:
            office.store.stop_session(StopRow("s", other.id, now_us))
        else:
            office.front.down = True
        try:
            office.changed()
        except StoreError:
            assert office.front.down
        for each in ours:
            assert office.book.of(each) is None and not office.book.stopped("s", each.id)
        with contextlib.suppress(Forbidden, StoreError):
            office.book.of(other)

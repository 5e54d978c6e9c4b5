"""What a worker gives out never exceeds what it was granted, whatever the store does and whoever dies."""

from __future__ import annotations

import asyncio
import itertools
import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from fresh_store import fresh_store

from tokenworks.errors import StoreError
from tokenworks.ledger.limit_rows import Leased, Want
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import Store
from tokenworks.plans import leases as leases_module
from tokenworks.plans.account import Account, kind_of
from tokenworks.plans.leases import Leases
from tokenworks.plans.window import parse

CAP = 1000
_serial = itertools.count(1)


class Faulty:
    """A store whose leases fail on demand: before they are made, or after, so that the answer is lost."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.fault = ""  # "refuse" | "lose"
        self.calls = 0
        self.returned: list[dict[int, int]] = []

    def lease(
        self, holder: str, wants: Sequence[Want], returns: Mapping[int, int], held: Sequence[int], now_us: int
    ) -> Leased:
        self.calls += 1
        if self.fault == "refuse":
            raise StoreError("down")
        told = self.store.lease(holder, wants, returns, held, now_us)
        self.returned.append(dict(returns))
        if self.fault == "lose":
            raise StoreError("the answer was lost")
        return told

    def leases_of(self, holder: str) -> dict[int, int]:
        if self.fault == "refuse":
            raise StoreError("down")
        return self.store.leases_of(holder)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Faulty]:
    real = fresh_store(f"sqlite:///{tmp_path / 'store.db'}")
    yield Faulty(real)
    real.close()


@pytest.fixture
async def worker(store: Faulty) -> Any:
    """``worker()``: leases of a worker that is closed at the end."""
    made: list[Leases] = []

    def make(holder: str = "", workers: int = 1) -> Leases:
        loop = asyncio.get_running_loop()
        name = holder or f"w{next(_serial)}"
        leases = Leases(store, loop, name, workers=workers)  # type: ignore[arg-type]
        made.append(leases)
        return leases

    yield make
    for leases in made:
        leases.close()


def account(unit: str = "usd", cap: int = CAP, window: str = "lifetime", scope: str = "key") -> Account:
    made = Account("l_1", unit, scope, "test", unit, kind_of(unit, strict=True), cap, parse(window))
    made.roll(time.time_ns() // 1000)
    return made


async def quiet(leases: Leases) -> None:
    """Until nothing is asked or told any more."""
    for _ in range(5000):
        await asyncio.sleep(0)
        if not leases._busy:
            return
        await asyncio.sleep(0.0005)
    raise TimeoutError


async def leased(leases: Leases, one: Account, amount: int) -> int:
    leases.ask(one, amount, amount)
    await quiet(leases)
    return one.free


def spend(store: Faulty, holder: str, *charges: int) -> None:
    """A record of ``holder`` with these charges is drained."""
    number = next(_serial)
    record = Record(f"gen-{number}", time.time_ns() // 1000, charges=charges)
    store.store.append(f"{holder}.{number}.journal", 1, [record])


def standing(store: Faulty) -> tuple[int, int]:
    """Spent, and leased by all and not seen as spent."""
    rows = store.store.standings()
    return sum(row.spent for row in rows), sum({row.account: row.leased for row in rows}.values())


# --- one worker -----------------------------------------------------------------------------------


async def test_what_is_asked_is_leased_and_a_stock_with_it(store: Faulty, worker: Any) -> None:
    leases = worker("w")
    one = leases.keep(account())
    free = await leased(leases, one, 100)
    assert 100 <= free <= 100 + CAP // leases_module.CHUNKS
    assert one.granted == free == store.leases_of("w")[one.id]
    assert one.left == CAP


async def test_asking_twice_in_one_round_is_one_question_for_both(store: Faulty, worker: Any) -> None:
    leases = worker("w")
    one = leases.keep(account())
    leases.ask(one, 50, 50)
    leases.ask(one, 30, 30)
    await quiet(leases)
    assert store.calls == 1 and one.free >= 80


async def test_nothing_is_given_where_the_least_is_not_to_be_had(store: Faulty, worker: Any) -> None:
    leases = worker("w")
    one = leases.keep(account())
    assert await leased(leases, one, CAP + 1) == 0
    assert one.granted == 0 and one.dry_until_us > time.time_ns() // 1000
    assert await leased(leases, one, CAP) == CAP


async def test_a_changed_cap_is_brought_up_to_date(store: Faulty, worker: Any) -> None:
    leases = worker("w")
    one = leases.keep(account())
    await leased(leases, one, CAP + 1)
    assert leases.keep(account(cap=3000)) is one
    assert one.cap == 3000 and one.dry_until_us == 0 and one.told_us == 0
    assert await leased(leases, one, CAP + 1) > CAP


async def test_idle_accounts_are_given_back_after_so_many_rounds(store: Faulty, worker: Any) -> None:
    leases = worker("w")
    one = leases.keep(account())
    await leased(leases, one, 100)
    one.free -= 30  # a request is under way
    held = one.free
    for _ in range(leases_module.IDLE_ROUNDS):
        leases.housekeeping()
        await quiet(leases)
    assert one.free == held  # the first round saw that it was used
    leases.housekeeping()
    await quiet(leases)
    assert one.free == 0 and one.granted == 30 == store.leases_of("w")[one.id]
    one.free += 30  # it was not begun after all
    assert await leased(leases, one, 200) >= 200


async def test_who_alone_wanted_in_vain_keeps_the_little_he_has_until_it_lies_idle(
    store: Faulty, worker: Any
) -> None:
    leases = worker("w")
    one = leases.keep(account())
    await leased(leases, one, 100)
    held = one.free
    assert await leased(leases, one, CAP) == held  # nobody has that much: the request is refused
    for _ in range(leases_module.IDLE_ROUNDS):
        leases.housekeeping()
        await quiet(leases)
    assert standing(store) == (0, held)  # nobody hears of his own want
    leases.housekeeping()
    await quiet(leases)
    assert standing(store) == (0, 0)


async def test_what_others_want_is_given_back_at_the_next_housekeeping(store: Faulty, worker: Any) -> None:
    first, second = worker("w1"), worker("w2")
    here, there = first.keep(account()), second.keep(account())
    await leased(first, here, CAP)
    here.free -= 100  # under way
    assert await leased(second, there, 600) == 0
    first.housekeeping()
    await quiet(first)
    assert here.free == 0 and here.granted == 100
    assert await leased(second, there, 600) >= 600
    assert here.granted + there.granted <= CAP


async def test_a_forgotten_session_comes_back_as_it_was(
    store: Faulty, worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases_module, "IDLE_ROUNDS", 2)
    monkeypatch.setattr(leases_module, "FORGOTTEN_ROUNDS", 5)
    leases = worker("w")
    one = leases.keep(account("requests", 10, scope="session"))
    await leased(leases, one, 4)
    one.free -= 3
    spend(store, "w", one.id, 0, 3)
    for _ in range(8):
        leases.housekeeping()
        await quiet(leases)
    assert not leases.accounts
    again = leases.keep(account("requests", 10, scope="session"))
    assert again is not one and again.free == 0
    assert again.granted == 3 == store.leases_of("w")[again.id]
    free = await leased(leases, again, 7)
    assert free == 7 and standing(store) == (3, 7)
    leases._unsure = True  # and the books agree
    leases.ask(again, 0, 0)
    await quiet(leases)
    assert again.free == 7


async def test_a_session_that_overspent_is_not_forgiven_when_it_is_forgotten(
    store: Faulty, worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases_module, "IDLE_ROUNDS", 2)
    monkeypatch.setattr(leases_module, "FORGOTTEN_ROUNDS", 5)
    leases = worker("w")
    one = leases.keep(account("usd", CAP, scope="session"))
    await leased(leases, one, 100)
    one.free -= 100
    one.free -= 300  # it came dearer than it was reserved for
    used = one.granted - one.free
    spend(store, "w", one.id, 0, used)
    for _ in range(8):
        leases.housekeeping()
        await quiet(leases)
    again = leases.keep(account("usd", CAP, scope="session"))
    for _ in range(40):
        again.dry_until_us = 0
        await leased(leases, again, 50)
    await leased(leases, again, 1)
    assert again.free <= CAP - used


# --- the store fails ------------------------------------------------------------------------------


async def test_a_grant_whose_answer_was_lost_is_found_again(store: Faulty, worker: Any) -> None:
    leases = worker("w")
    one = leases.keep(account())
    store.fault = "lose"
    assert await leased(leases, one, 100) == 0 and leases.down
    store.fault = ""
    free = await leased(leases, one, 100)
    assert not leases.down
    assert one.granted == store.leases_of("w")[one.id] == free >= 200


async def test_what_the_store_may_have_taken_back_is_not_given_out(store: Faulty, worker: Any) -> None:
    """A housekeeping whose answer was lost: another worker may have leased what it gave back."""
    leases, other = worker("w1"), worker("w2")
    one, there = leases.keep(account()), other.keep(account())
    await leased(leases, one, CAP)
    store.fault = "lose"
    for _ in range(leases_module.IDLE_ROUNDS + 1):
        leases.housekeeping()
        await quiet(leases)
    store.fault = ""
    got = await leased(other, there, 900)
    assert one.free + got <= CAP


async def test_a_round_that_finds_out_gives_nothing_back(
    store: Faulty, worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is told of the leases then was true before anything was given back in the same round."""
    monkeypatch.setattr(leases_module, "IDLE_ROUNDS", 2)
    leases = worker("w")
    one = leases.keep(account())
    await leased(leases, one, 100)
    leases.housekeeping()
    await quiet(leases)
    store.fault = "refuse"
    leases.housekeeping()
    await quiet(leases)
    store.fault = ""
    for _ in range(5):
        leases.housekeeping()
        await quiet(leases)
    assert one.free == one.granted == store.leases_of("w").get(one.id, 0)


async def test_rates_go_on_while_the_store_is_down_and_money_does_not(store: Faulty, worker: Any) -> None:
    leases = worker("w", workers=2)
    rate, money = leases.keep(account("requests", 60, "1min")), leases.keep(account())
    store.fault = "refuse"
    assert await leased(leases, rate, 1) == 15  # half of a half: a window has two such shares
    assert await leased(leases, money, 1) == 0
    assert await leased(leases, rate, 60) == 15  # not again so soon
    rate.free -= 15
    rate.free += 5  # requests that came to nothing
    store.fault = ""
    assert 1 <= await leased(leases, rate, 1) <= 60 - 10
    assert await leased(leases, money, 1) >= 1
    assert rate.granted == store.leases_of("w")[rate.id]


async def test_who_had_a_lease_owes_what_he_took_by_himself(store: Faulty, worker: Any) -> None:
    leases = worker("w")
    rate = leases.keep(account("requests", 60, "1min"))
    await leased(leases, rate, 1)
    store.fault = "refuse"
    await leased(leases, rate, 20)
    used, rate.free = rate.free, 0
    store.fault = ""
    spend(store, "w", rate.id, rate.bucket, used)
    await leased(leases, rate, 1)  # and finds out what is held
    free = await leased(leases, rate, 20 - rate.free)
    assert rate.granted == store.leases_of("w")[rate.id]
    assert rate.granted - free == used and 20 <= free <= 60 - used


async def test_a_long_time_without_the_store_leaves_no_debt_behind(store: Faulty, worker: Any) -> None:
    leases = worker("w")
    rate = leases.keep(account("requests", 60, "1min"))
    now_s = time.time_ns() // 10**9
    store.fault = "refuse"
    used = 0
    for half in range(20, 0, -1):  # ten minutes
        rate.self_granted_us = 0
        await leased(leases, rate, 1)
        used += rate.free
        spend(store, "w", rate.id, now_s - 60 - half * 30, rate.free)  # drained when the store is back
        rate.free = 0
    store.fault = ""
    rate.roll(now_s * 1_000_000)
    await leased(leases, rate, 1)
    free = await leased(leases, rate, 1 - rate.free)
    assert used == 600 and 1 <= free <= 60
    assert rate.granted == store.leases_of("w")[rate.id]


async def test_an_error_that_is_none_of_the_store_is_survived_too(store: Faulty, worker: Any) -> None:
    leases = worker("w")
    one = leases.keep(account())
    real, store.lease = store.lease, _raises  # type: ignore[method-assign]
    assert await leased(leases, one, 10) == 0 and leases.down
    store.lease = real  # type: ignore[method-assign]
    assert await leased(leases, one, 10) >= 10 and not leases.down


def _raises(*args: Any) -> Leased:
    raise sqlite3.ProgrammingError("never expected")


# --- who waits ------------------------------------------------------------------------------------


async def test_waiters_are_called_in_order_and_until_they_wait_no_more(store: Faulty, worker: Any) -> None:
    leases = worker("w")
    one = leases.keep(account())
    called: list[str] = []

    def waiter(name: str, rounds: int) -> Callable[[], bool]:
        left = [rounds]

        def again() -> bool:
            called.append(name)
            left[0] -= 1
            return left[0] <= 0

        return again

    leases.wait("a", waiter("a", 2))
    leases.wait("b", waiter("b", 1))
    leases.wait("c", waiter("c", 9))
    leases.forget("c")
    await leased(leases, one, 1)
    assert called == ["a", "b"]
    leases.nudge()
    leases.nudge()
    await asyncio.sleep(0.001)
    assert called == ["a", "b", "a"] and not leases.waiting


async def test_one_waiter_that_fails_keeps_no_other_from_its_turn(
    store: Faulty, worker: Any, caplog: pytest.LogCaptureFixture
) -> None:
    leases = worker("w")
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: None)
    called: list[int] = []

    def fails() -> bool:
        raise KeyError("a mistake of ours")

    def again() -> bool:
        called.append(1)
        return len(called) == 3

    leases.wait("bad", fails)
    leases.wait("good", again)
    await asyncio.sleep(4 * leases_module.POLL_S)
    assert len(called) == 3 and not leases.waiting


# --- random histories -----------------------------------------------------------------------------


class Busy:
    """One worker that reserves, settles and dies."""

    def __init__(self, leases: Leases, holder: str) -> None:
        self.leases, self.holder = leases, holder
        self.one = leases.keep(account())
        self.running: list[int] = []
        self.journal: list[int] = []  # settled, not drained
        self.spent = 0

    def act(self, draw: random.Random, store: Faulty) -> None:
        what = draw.random()
        if what < 0.4:
            amount = draw.randint(1, 60)
            if self.one.free >= amount:
                self.one.free -= amount
                self.one.used = True
                self.running.append(amount)
            else:
                self.leases.ask(self.one, amount - self.one.free, draw.choice((0, 1, amount - self.one.free)))
        elif what < 0.65 and self.running:
            amount = self.running.pop(draw.randrange(len(self.running)))
            used = draw.choice((0, amount, draw.randint(0, amount)))
            self.one.free += amount - used
            self.spent += used
            self.journal.append(used)
        elif what < 0.75:
            self.drain(store)
        else:
            self.leases.housekeeping()

    def drain(self, store: Faulty) -> None:
        if self.journal:
            spend(store, self.holder, *itertools.chain(*((self.one.id, 0, used) for used in self.journal)))
        self.journal = []

    @property
    def gives_out(self) -> int:
        """Spent, reserved, and what it would give out without asking."""
        return self.spent + sum(self.running) + max(self.one.free, 0)


@pytest.mark.parametrize("seed", range(8))
async def test_random_histories_never_exceed_the_cap_and_lose_nothing(
    seed: int, store: Faulty, worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases_module, "IDLE_ROUNDS", 2)
    monkeypatch.setattr(leases_module, "POLL_S", 60)
    draw = random.Random(seed)
    alive = [Busy(worker(f"w{n}.".rstrip(".")), f"w{n}") for n in range(3)]
    names = itertools.count(3)
    buried = 0  # spent by the dead
    for step in range(400):
        if draw.random() < 0.1:
            store.fault = draw.choice(("", "", "", "refuse", "lose"))
        if step % 25 == 0:
            busy = draw.choice(alive)  # the others do little, so that what they hold lies idle
        (busy if draw.random() < 0.7 else draw.choice(alive)).act(draw, store)
        if draw.random() < 0.3:
            await asyncio.sleep(draw.choice((0, 0.001, 0.003)))
        if draw.random() < 0.01:
            dead = alive.pop(draw.randrange(3))
            dead.leases.close()
            dead.drain(store)
            buried += dead.spent  # its running requests are taken to have cost nothing
            store.store.release_leases(dead.holder)
            name = f"w{next(names)}"
            busy = Busy(worker(name), name)
            alive.append(busy)
        total = buried + sum(each.gives_out for each in alive)
        assert total <= CAP, f"step {step}: {total}"
    store.fault = ""
    for each in alive:
        for amount in each.running:
            each.one.free += amount
        each.running.clear()
        each.drain(store)
        for _ in range(2):  # one round to find out, one that is sure
            each.leases.ask(each.one, 0, 0)
            await quiet(each.leases)
        assert each.one.granted - each.one.free == each.spent, each.holder
        assert store.leases_of(each.holder).get(each.one.id, 0) == each.one.granted
    spent, out = standing(store)
    assert spent == buried + sum(each.spent for each in alive)
    assert out == sum(each.one.granted - each.spent for each in alive)
    rest = CAP - spent - out
    assert rest >= 0
    everything = alive[0]
    for each in alive[1:]:
        for _ in range(4):
            each.leases.housekeeping()
            await quiet(each.leases)
    assert await leased(everything.leases, everything.one, CAP - spent - everything.one.free) == CAP - spent

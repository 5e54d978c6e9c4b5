import random
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tokenworks.ledger.limit_rows import Given, Want
from tokenworks.ledger.postgres import PostgresStore


def want(account: int = 1, cap: int = 1000, **fields: Any) -> Want:
    values = {"limit_id": f"l_{account}", "subject": "s", "since": 0, "amount": 100, "least": 1}
    return Want(account, cap=cap, **(values | fields))


def together(works: list[Callable[[], None]]) -> None:
    """Run each in a thread; the first that failed is raised."""
    failures: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_what_is_given_is_seen_by_the_next(store) -> None:
    now = 10**15
    first = store.lease("a", [want(2), want(1, amount=900)], {}, [], now)
    assert first.given == [Given(2, 100, 0, 100, 0, now), Given(1, 125, 0, 125, 0, now)]
    second = store.lease("b", [want(1, amount=900, least=875)], {}, [], now + 1)
    assert second.given == [Given(1, 875, 0, 1000, 0, now)]
    third = store.lease("c", [want(1)], {}, [], now + 2)
    assert third.given == [Given(1, 0, 0, 1000, 0, now)]
    assert store.lease("a", [], {}, [1, 2, 5], now + 3).wanted == [1]
    assert store.lease("c", [], {}, [1, 2], now + 3).wanted == [], "its own want"
    assert store.lease("a", [], {}, [1, 2], now + 2_000_002).wanted == []
    assert store.lease("b", [want(1)], {1: 800}, [], now + 4).given == [Given(1, 100, 0, 300, 0, now)]
    assert store.leases_of("b") == {1: 175}
    assert store.release_leases("b") == 1
    assert store.lease("c", [want(1)], {}, [], now + 5).given == [Given(1, 100, 0, 225, 0, now)]


def test_one_account_wanted_twice_in_one_call_is_not_given_twice(store) -> None:
    found = store.lease("a", [want(1, least=600), want(1, least=600), want(1, least=400)], {}, [], 1)
    assert [(given.amount, given.leased) for given in found.given] == [(600, 600), (0, 600), (400, 1000)]
    assert store.leases_of("a") == {1: 1000}


def test_grants_of_many_machines_never_exceed_a_cap(url: str, store, make) -> None:
    """Every machine its own connections; accounts in any order; records drained all the while."""
    caps = {1: 300, 2: 5000, 3: 77, 4: 10_000}
    seed = random.randrange(10**9)
    over: list[tuple[int, int]] = []
    going = threading.Event()
    going.set()

    def machine(number: int) -> None:
        rng, mine, name = random.Random(seed + number), PostgresStore(url), f"g{number}-w"
        in_hand = dict.fromkeys(caps, 0)
        for turn in range(30):
            accounts = rng.sample(list(caps), rng.randint(1, 4))
            wants = [
                want(a, caps[a], amount=rng.randrange(1, 400), least=rng.choice([1, 1, 30])) for a in accounts
            ]
            back = {a: rng.randrange(n + 1) for a, n in in_hand.items() if n and rng.random() < 0.2}
            for given in mine.lease(name, wants, back, list(caps), turn + 1).given:
                in_hand[given.account] += given.amount
            for account, amount in back.items():
                in_hand[account] -= amount
            batch = []
            for account, amount in in_hand.items():
                if amount and rng.random() < 0.7:
                    spent = rng.randrange(1, amount + 1)
                    in_hand[account] -= spent
                    batch.append(make(charges=(account, rng.choice([0, 60]), spent)))
            mine.append(f"{name}.1", turn + 1, batch, since=turn)
            granted = mine.leases_of(name)
            for account, amount in in_hand.items():
                assert amount <= granted.get(account, 0)
        mine.close()

    def watch() -> None:
        while going.is_set():
            totals: dict[int, int] = {}
            for row in store.standings():
                totals[row.account] = totals.get(row.account, row.leased) + row.spent
            over.extend((a, total) for a, total in totals.items() if total > caps[a])

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        together([lambda n=n: machine(n) for n in range(5)])
    finally:
        going.clear()
        watcher.join()
    assert over == [], seed
    for number in range(5):
        store.release_leases(f"g{number}-w")
    totals = {account: 0 for account in caps}
    for row in store.standings():
        totals[row.account] += row.spent
        assert row.leased == 0
    assert all(totals[account] <= cap for account, cap in caps.items()), (totals, seed)
    assert totals[3] >= 70, "and what there was, was used"


def test_small_rests_are_given_out_to_the_last(url: str, store, make) -> None:
    """A thousand for sixteen that all want it: none is lost, none given twice."""
    got: list[int] = []

    def take(number: int) -> None:
        for turn in range(12):
            got.append(store.lease(f"w{number}", [want(1, amount=50)], {}, [], turn + 1).given[0].amount)

    together([lambda n=n: take(n) for n in range(8)])
    while (more := store.lease("w0", [want(1, amount=50)], {}, [], 99).given[0].amount) > 0:
        got.append(more)
    assert sum(got) == 1000


def test_a_lease_waits_for_the_account_and_then_sees_what_was_spent(url: str, store, make) -> None:
    store.lease("a", [want(1, amount=100)], {}, [], 1)
    answers: list[Given] = []
    with psycopg.connect(url) as other:
        other.execute("UPDATE accounts SET touched_us = 1 WHERE account = 1")
        other.execute("INSERT INTO leases VALUES (1, 'z', 880, 0)")
        thread = threading.Thread(
            target=lambda: answers.extend(store.lease("b", [want(1, least=50)], {}, [], 2).given)
        )
        thread.start()
        thread.join(0.1)
        assert thread.is_alive()
        store.append("a.1", 1, [make(charges=(1, 0, 90))])
        other.commit()
    thread.join()
    assert answers == [Given(1, 0, 90, 890, 0, 1)]


def test_sums_no_column_holds_stop_neither_drainer_nor_lease(store, make) -> None:
    store.lease("a", [want(1)], {}, [], 1)
    for number in range(3):
        store.append("a.1", number + 1, [make(charges=(1, n, 10**15) * 2000) for n in range(10)])
    (given,) = store.lease("a", [want(1)], {}, [], 2).given
    assert given.amount == 0
    assert given.spent > 10**18


def test_a_refund_of_less_than_nothing_is_refused(store) -> None:
    with pytest.raises(ValueError, match="refund of -1"):
        store.refund(1, 0, -1)
    assert not store.refund(1, 0, 1)


def test_pruning_goes_on_until_everything_is_gone(store, make, monkeypatch) -> None:
    monkeypatch.setattr("tokenworks.ledger.postgres.leases._CHUNK", 7)
    store.lease("a", [want(a, span_s=60) for a in range(10)], {}, [], 1)
    store.append("a.1", 1, [make(charges=tuple(p for a in range(10) for p in (a, 60, 5)))])
    store.append("a.1", 2, [make(charges=tuple(p for a in range(10) for p in (a, 990, 5)))])
    assert store.prune_accounts(1000 * 1_000_000) == 10
    assert {row.bucket for row in store.standings()} == {990}

import random
import sqlite3
import threading
from pathlib import Path

import pytest

from tokenworks.errors import StoreError
from tokenworks.ledger import sqlite_file
from tokenworks.ledger import sqlite_leases as module
from tokenworks.ledger.limit_rows import Given, LimitRow, Want
from tokenworks.ledger.sqlite import SqliteStore

S = 1_000_000
DAY_S = 86_400


def want(amount: int, least: int = 1, *, account: int = 1, cap: int = 800, since: int = 0, **fields) -> Want:
    named = {"limit_id": "l_1", "subject": f"s{account}"} | fields
    return Want(account=account, cap=cap, since=since, amount=amount, least=least, **named)


def ask(store, holder: str, *wants: Want, now_us: int = 100 * S) -> list[Given]:
    return store.lease(holder, wants, {}, (), now_us).given


def sums(store, account: int = 1, since: int = 0) -> tuple[int, int]:
    """What is spent and what is leased, asked of the tables themselves."""
    execute = store._connection().execute
    spent = execute(
        "SELECT coalesce(sum(spent), 0) FROM account_spent WHERE account = ? AND bucket >= ?",
        (account, since),
    )
    leased = execute(
        "SELECT coalesce(sum(max(granted - drained, 0)), 0) FROM leases WHERE account = ?", (account,)
    )
    return spent.fetchone()[0], leased.fetchone()[0]


@pytest.mark.parametrize(
    ("free", "amount", "least", "given"),
    [
        (800, 50, 1, 50),  # of much all
        (800, 500, 1, 100),  # of little an eighth
        (800, 500, 300, 300),  # but never less than least
        (800, 500, 800, 800),
        (800, 500, 801, 0),
        (5, 500, 1, 1),  # an eighth of less than eight is still something
        (5, 500, 0, 1),
        (1, 500, 1, 1),
        (0, 500, 0, 0),
        (0, 0, 0, 0),
        (-3, 500, 1, 0),
        (800, 0, 0, 0),
        (800, 3, 10, 10),
        (2**62, 2**61, 1, 2**59),
    ],
)
def test_what_is_given(store, free: int, amount: int, least: int, given: int) -> None:
    cap = max(free, 0)
    if free < 0:
        ask(store, "other", want(5, 5, cap=5))
        cap = 2
    [got] = ask(store, "w", want(amount, least, cap=cap))
    assert got.amount == given
    assert store.leases_of("w") == ({1: given} if given else {})


def test_answers_come_in_the_order_of_the_wants(store) -> None:
    wants = [want(30, account=9), want(20, account=2), want(10, account=9, cap=31, least=2)]
    given = ask(store, "w", *wants)
    assert [(g.account, g.amount, g.leased) for g in given] == [(9, 30, 30), (2, 20, 20), (9, 0, 30)]
    assert ask(store, "w", want(0, 0, account=2)) == [Given(2, 0, 0, 20, 0, 100 * S)]


def test_an_account_is_opened_once(store) -> None:
    assert ask(store, "w", want(0, 0), now_us=5)[0].opened_us == 5
    assert ask(store, "v", want(10), now_us=9)[0].opened_us == 5


def test_what_is_spent_is_counted_in_its_window_alone(store, make) -> None:
    ask(store, "w", want(100))
    store.append("w.1", 1, [make(charges=(1, 10, 5, 1, 20, 7)), make(charges=(1, 20, 1))])
    for since, spent, oldest in ((0, 13, 10), (10, 13, 10), (11, 8, 20), (20, 8, 20), (21, 0, 0)):
        [given] = ask(store, "w", want(0, 0, since=since))
        assert (given.spent, given.oldest, given.leased) == (spent, oldest, 87)
    store.refund(1, 10, 5)
    assert ask(store, "w", want(0, 0))[0].oldest == 20, "a bucket in which nothing is left does not count"


def test_what_comes_back_is_free_but_never_more_than_is_in_hand(store, make) -> None:
    ask(store, "w", want(100, 100))
    ask(store, "v", want(10, 10))
    store.append("w.1", 1, [make(charges=(1, 0, 30))])
    store.lease("w", [], {1: 20, 77: 5}, (), 1)
    assert sums(store) == (30, 60)
    assert store.leases_of("w") == {1: 80}
    store.lease("w", [], {1: 1000}, (), 1)
    store.lease("w", [], {1: -50}, (), 1)
    assert sums(store) == (30, 10)
    [given] = store.lease("w", [want(700, 700, cap=740)], {}, (), 1).given
    assert (given.amount, given.leased) == (700, 710)


def test_what_is_returned_can_be_had_in_the_same_call(store) -> None:
    ask(store, "w", want(800, 800))
    [given] = store.lease("w", [want(600, 600, account=1)], {1: 700}, (), 1).given
    assert (given.amount, given.leased) == (600, 700)


def test_one_that_has_overspent_gets_what_its_deficit_swallows_and_no_more(store, make) -> None:
    ask(store, "w", want(10, 10, cap=100))
    store.append("w.1", 1, [make(charges=(1, 0, 40))])
    assert sums(store) == (40, 0)
    [given] = ask(store, "w", want(90, 90, cap=100))
    assert (given.amount, given.leased) == (90, 60), "30 were spent without a lease: 60 are in hand"
    assert sum(sums(store)) == 100
    assert ask(store, "v", want(1, cap=100))[0].amount == 0
    store.append("w.1", 2, [make(charges=(1, 0, 80))])
    assert sums(store) == (120, 0)
    assert ask(store, "w", want(1, cap=100))[0] == Given(1, 0, 120, 0, 0, 100 * S)
    assert ask(store, "w", want(1, cap=120))[0].amount == 0
    store.lease("w", [], {1: 10}, (), 1)
    assert store.leases_of("w") == {1: 100}, "there is nothing to return"


def test_who_holds_something_hears_of_who_lacks_it(store) -> None:
    ask(store, "w", want(800, 800), want(800, 800, account=2))
    assert store.lease("w", [], {}, [2, 1], 100 * S).wanted == []
    ask(store, "v", want(5))
    assert store.lease("w", [], {}, [2, 1, 3], 101 * S).wanted == [1]
    assert store.lease("w", [want(0, 0)], {2: 1}, [1], 101 * S).wanted == [1]
    assert store.lease("w", [], {}, [2], 101 * S).wanted == []
    assert store.lease("v", [], {}, [1], 101 * S).wanted == [], "nobody hears of himself"
    assert store.lease("w", [], {}, [1], 102 * S).wanted == [], "of what was long ago nobody either"
    ask(store, "v", want(5), now_us=103 * S)
    ask(store, "u", want(5), now_us=103 * S)
    for holder in ("u", "v", "w"):
        assert store.lease(holder, [], {}, [1], 104 * S).wanted == [1], "two want it: all hear"
    ask(store, "v", want(5), now_us=200 * S)
    assert store.lease("v", [], {}, [1], 200 * S).wanted == []


def test_a_want_that_got_its_least_is_met(store) -> None:
    ask(store, "w", want(800, 10), want(1, 1, account=2, cap=1))
    given = ask(store, "v", want(800, 10), want(0, 0, account=2, cap=1))
    assert given[0].amount == 87
    assert store.lease("w", [], {}, [1, 2], 100 * S).wanted == []


def test_asking_for_nothing_waits_for_nobody(store, tmp_path: Path, monkeypatch) -> None:
    ask(store, "w", want(5))
    monkeypatch.setattr(sqlite_file, "BUSY_S", 0.01)
    impatient = SqliteStore(str(tmp_path / "ledger.db"))
    locker = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    assert impatient.lease("w", [], {}, [1], 1).given == []
    assert impatient.leases_of("w") == {1: 5}
    assert impatient.release_leases("nobody") == 0
    with pytest.raises(StoreError, match="locked"):
        impatient.lease("w", [want(1)], {}, [], 1)
    locker.close()
    impatient.close()


def test_who_wants_and_who_holds_is_found_by_an_index(store) -> None:
    execute = store._connection().execute
    plan = execute(f"EXPLAIN QUERY PLAN {module._WANTED}", (1, "w")).fetchall()
    assert "accounts_by_wanted" in plan[0][-1]
    plan = execute(f"EXPLAIN QUERY PLAN {module._HOLDERS}", ("a", "b")).fetchall()
    assert all("leases_by_holder" in row[-1] for row in plan if "leases" in row[-1]), plan


# --- what records spend -----------------------------------------------------------------------


def test_charges_count_with_their_record_and_once(store, make, caplog) -> None:
    ask(store, "w", want(100, 100), want(50, 50, account=2))
    first = make(charges=(1, 0, 3, 2, 7, 4))
    store.append("w.000001.abc", 1, [first, make(charges=(1, 0, 2)), make()])
    assert (sums(store, 1), sums(store, 2)) == ((5, 95), (4, 46))
    store.append("w.000001.abc", 2, [first, make(charges=(1, 5, 10))])
    assert "already" in caplog.text
    assert (sums(store, 1), sums(store, 2)) == ((15, 85), (4, 46))
    with pytest.raises(StoreError, match="already"):
        store.append("w.000001.abc", 2, [make(charges=(1, 5, 10))], since=1)
    assert sums(store, 1) == (15, 85)
    assert store.generation(first.id).charges == ()


def test_the_holder_is_who_wrote_the_journal(store, make) -> None:
    ask(store, "w", want(100, 100))
    ask(store, "w-2", want(100, 100))
    store.append("w-2.000001.abc.inflight", 1, [make(charges=(1, 0, 30))])
    assert store.leases_of("w") == store.leases_of("w-2") == {1: 100}
    assert sums(store) == (30, 170)
    store.release_leases("w-2")
    assert sums(store) == (30, 100)


def test_what_is_spent_after_a_release_counts_and_lessens_no_later_lease(store, make) -> None:
    ask(store, "w", want(10, 10, cap=100))
    assert store.release_leases("w") == 1
    store.append("w.1", 1, [make(charges=(1, 0, 10))])
    assert sums(store) == (10, 0)
    [given] = ask(store, "w", want(90, 90, cap=100))
    assert (given.amount, given.leased, given.spent) == (90, 90, 10)


@pytest.mark.parametrize(
    ("charges", "spent"),
    [
        ((99, 0, 5), 0),  # no such account
        ((1, 0, 0), 0),
        ((1, 0, -5), 0),
        ((1, 0, 5, 1), 5),
        ((1, 0, 5, 1, 0), 5),
        ((1, 0, 2**63 - 1), 10**15),
        ((1, 0, 2**64), 10**15),
        ((1, 2**64, 5), 5),
        (("x", 0, 5, 1, 0, 5), 5),
        ((None, None, None), 0),
    ],
)
def test_no_charges_stop_the_drainer(store, make, charges, spent: int) -> None:
    ask(store, "w", want(100, 100))
    record = make()
    record.charges = charges
    store.append("w.1", 1, [record])
    assert (store.totals().requests, sums(store)[0]) == (1, spent)


def test_no_sum_overflows(store, make) -> None:
    ask(store, "w", want(100, 100))
    for batch in range(4):
        records = [make(charges=(1, 0, 2**62) * 60) for _ in range(60)]
        store.append("w.1", batch + 1, records)
    assert store.totals().requests == 240
    assert sums(store)[0] == 4 * 10**18
    assert ask(store, "w", want(5, cap=2**62))[0].amount > 0


def test_a_batch_that_fails_spends_nothing(store, make, monkeypatch) -> None:
    ask(store, "w", want(100, 100))
    connection = store._connection()
    connection.execute(
        "CREATE TEMP TRIGGER full BEFORE INSERT ON journals BEGIN SELECT RAISE(ABORT, 'x'); END"
    )
    with pytest.raises(StoreError):
        store.append("w.1", 1, [make(charges=(1, 0, 3))])
    connection.execute("DROP TRIGGER full")
    assert sums(store) == (0, 100)


# --- holders, standings, refunds, pruning -----------------------------------------------------


def test_holders_are_found_by_how_their_names_begin(store) -> None:
    names = ["ab_1-w0", "ab_1-w1", "abx1-w0", "ab-w0", "b", "", "ab_1-", "ab_1-\U0010fffe"]
    for name in names:
        ask(store, name, *[want(1, account=account, cap=2**40) for account in (1, 2, 3)])
    assert store.lease_holders("ab_1-") == sorted(name for name in names if name.startswith("ab_1-"))
    assert store.lease_holders("") == sorted(names)
    assert store.lease_holders("c") == []
    assert store.release_leases("ab_1-w0") == 3
    assert store.release_leases("ab_1-w0") == 0
    assert "ab_1-w0" not in store.lease_holders("ab")
    assert store.leases_of("ab_1-w0") == {}
    assert store.leases_of("ab_1-w1") == {1: 1, 2: 1, 3: 1}


def test_standings(store, make) -> None:
    ask(store, "w", want(10, account=1, limit_id="l_2"), want(10, account=2, limit_id="l_1", subject="b"))
    ask(store, "v", want(10, account=1, limit_id="l_2"), want(0, 0, account=3, limit_id="l_1", subject="a"))
    store.append("w.1", 1, [make(charges=(1, 5, 4, 1, 4, 2))])
    found = [(r.account, r.limit_id, r.subject, r.bucket, r.spent, r.leased) for r in store.standings()]
    assert found == [
        (3, "l_1", "a", 0, 0, 0),
        (2, "l_1", "b", 0, 0, 10),
        (1, "l_2", "s1", 4, 2, 14),
        (1, "l_2", "s1", 5, 4, 14),
    ]
    assert store.standings()[0].opened_us == 100 * S
    assert store.standings(["l_2"]) == store.standings()[2:]
    assert store.standings(["l_2", "l_1", "l_2", "l_9"]) == store.standings()
    assert store.standings([]) == []


def test_refunds(store, make) -> None:
    ask(store, "w", want(100, 100))
    store.append("w.1", 1, [make(charges=(1, 5, 40))])
    assert store.refund(1, 5, 30, actor="k_1", reason="an outage")
    assert sums(store) == (10, 60)
    assert store.refund(1, 5, 30)
    assert store.refund(1, 6, 30)
    assert sums(store) == (0, 60)
    assert not store.refund(2, 5, 30)
    with pytest.raises(ValueError, match="0 or more"):
        store.refund(1, 5, -1)
    noted = store.audit()
    assert len(noted) == 3
    assert (noted[-1].actor, noted[-1].action, noted[-1].target) == ("k_1", "account.refund", "1")
    assert noted[-1].detail == (
        '{"limit_id":"l_1","subject":"s1","bucket":5,"amount":30,"reason":"an outage"}'
    )


def test_what_is_long_over_is_dropped(store, make, monkeypatch) -> None:
    monkeypatch.setattr("tokenworks.ledger.sqlite_leases._CHUNK", 2)
    now_s = 100 * DAY_S
    ask(store, "w", want(90, 90, span_s=DAY_S), want(90, 90, account=2, span_s=0))
    days = [97, 98, 99, 10, 11, 12, 13]
    charges = tuple(n for day in days for n in (1, day * DAY_S, 1, 2, day * DAY_S, 1))
    store.append("w.1", 1, [make(charges=(*charges, 2, 0, 1))])
    assert store.prune_accounts(now_s * S) == 5
    assert [r.bucket // DAY_S for r in store.standings() if r.account == 1] == [98, 99]
    assert sum(r.spent for r in store.standings() if r.account == 2) == 8
    assert store.prune_accounts(now_s * S) == 0
    assert sums(store)[1] == 83, "what is leased is another matter"


def test_sessions_not_seen_for_a_month_are_dropped(store, make, monkeypatch) -> None:
    monkeypatch.setattr("tokenworks.ledger.sqlite_leases._CHUNK", 2)
    store.add_limit(LimitRow("l_s", "session", "*", "usd", 100, "lifetime", 1, 1))
    store.add_limit(LimitRow("l_u", "user", "*", "usd", 100, "lifetime", 1, 1))
    late = 31 * DAY_S * S
    for account in range(1, 6):
        ask(store, "w", want(10, account=account, limit_id="l_s"), now_us=S)
    ask(store, "w", want(10, account=6, limit_id="l_s"), now_us=S)  # stays leased
    ask(store, "w", want(10, account=7, limit_id="l_u"), now_us=S)  # no session
    ask(store, "w", want(10, account=8, limit_id="plan:x"), now_us=S)
    ask(store, "w", want(10, account=9, limit_id="l_s"), now_us=S)
    ask(store, "w", want(0, 0, account=9, limit_id="l_s"), now_us=10 * DAY_S * S)  # seen since
    store.append("w.1", 1, [make(charges=tuple(n for a in (1, 2, 3, 7, 8, 9) for n in (a, 0, 10)))])
    store.lease("w", [], {4: 10, 5: 10}, (), S)
    assert store.prune_accounts(late) == 5
    assert sorted(row.account for row in store.standings()) == [6, 7, 8, 9]
    assert sorted(store.leases_of("w")) == [6, 7, 8, 9]
    assert store._connection().execute("SELECT count(*) FROM account_spent").fetchone() == (3,)
    [anew] = ask(store, "w", want(10, account=1, limit_id="l_s"), now_us=late)
    assert (anew.spent, anew.opened_us, anew.leased) == (0, late, 10)


# --- many workers -----------------------------------------------------------------------------


class Worker:
    """The arithmetic of a worker: what it has in hand, what is reserved, what it has written."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.free: dict[int, int] = {}
        self.open: list[tuple[int, int, int]] = []  # account, bucket, reserved
        self.written: list[tuple[int, int, int]] = []  # charges that the drainer has not seen
        self.offset = 0

    def in_hand(self, account: int) -> int:
        """What the store must think that it has."""
        mine = [*self.open, *self.written]
        return self.free.get(account, 0) + sum(amount for a, _, amount in mine if a == account)


CAPS = {1: 1000, 2: 137, 3: 100_000}  # of each account


class World:
    """Workers that do everything at random to a store, and die."""

    def __init__(self, store, make, rng: random.Random, over: float) -> None:
        self.store, self.make, self.rng, self.over = store, make, rng, over
        self.workers: list[Worker] = []
        self.now = 50
        self.charged: dict[int, int] = dict.fromkeys(CAPS, 0)
        self.born = self.refused = self.settled = 0

    def step(self) -> None:
        if len(self.workers) < 4:
            self.born += 1
            self.workers.append(Worker(f"g-w{self.born}"))
        worker = self.rng.choice(self.workers)
        steps = [self.lease, self.admit, self.admit, self.settle, self.settle, self.drain, self.give_back]
        self.rng.choice([*steps, self.die] if self.rng.random() < 0.2 else steps)(worker)
        self.now += self.rng.random() < 0.1

    def since(self, account: int) -> int:
        return 0 if account == 2 else self.now - 10  # 2: a window without an end

    def lease(self, worker: Worker) -> None:
        wants = []
        for account in self.rng.sample(list(CAPS), self.rng.randint(1, 3)):
            least = self.rng.choice([0, 1, 5, 40])
            amount = least + self.rng.choice([0, 1, 30, 2000])
            wants.append(want(amount, least, account=account, cap=CAPS[account], since=self.since(account)))
        held = list(worker.free)
        for given in self.store.lease(worker.name, wants, {}, held, self.now * S).given:
            worker.free[given.account] = worker.free.get(given.account, 0) + given.amount
            spent, leased = sums(self.store, given.account, self.since(given.account))
            assert (given.spent, given.leased) == (spent, leased)
            self.refused += given.amount == 0
            if given.amount:
                assert spent + leased <= CAPS[given.account]

    def admit(self, worker: Worker) -> None:
        for account in list(worker.free):
            if worker.free[account] > 0:
                amount = self.rng.randint(1, worker.free[account])
                worker.free[account] -= amount
                worker.open.append((account, 0 if account == 2 else self.now, amount))

    def settle(self, worker: Worker) -> None:
        if worker.open:
            account, bucket, reserved = worker.open.pop(self.rng.randrange(len(worker.open)))
            actual = self.rng.randint(0, reserved)
            if self.rng.random() < self.over:
                actual = reserved + self.rng.randint(1, 50)
            worker.free[account] += reserved - actual
            worker.written.append((account, bucket, actual))
            self.charged[account] += actual
            self.settled += 1

    def drain(self, worker: Worker) -> None:
        count = self.rng.randint(0, len(worker.written))
        self.append(worker, worker.written[:count])
        del worker.written[:count]

    def append(self, worker: Worker, charges: list[tuple[int, int, int]], suffix: str = "") -> None:
        worker.offset += 1
        records = [self.make(charges=charge) for charge in charges]
        self.store.append(f"{worker.name}.000001.x{suffix}", worker.offset, records)

    def give_back(self, worker: Worker) -> None:
        returns = {a: self.rng.randint(0, free) for a, free in worker.free.items() if free > 0}
        self.store.lease(worker.name, [], returns, (), self.now * S)
        for account, amount in returns.items():
            worker.free[account] -= amount

    def die(self, worker: Worker) -> None:
        """Its journal is drained, what was open counts as reserved, and its leases are released."""
        self.append(worker, worker.written)
        self.append(worker, worker.open, ".inflight")
        for account, _, amount in worker.open:
            self.charged[account] += amount
        self.store.release_leases(worker.name)
        self.workers.remove(worker)

    def check(self) -> None:
        for account, cap in CAPS.items():
            spent, leased = sums(self.store, account, self.since(account))
            if not self.over:
                assert spent + leased <= cap
            in_hand = [worker.in_hand(account) for worker in self.workers]
            assert leased == sum(max(amount, 0) for amount in in_hand)


@pytest.mark.parametrize("over", [0.0, 0.2])
def test_whatever_workers_do_nothing_is_spent_twice_or_lost(tmp_path: Path, make, over: float) -> None:
    """``over``: how often a request costs more than was reserved for it."""
    refused = settled = 0
    for _ in range(12):
        seed = random.randrange(10**9)
        store = SqliteStore(str(tmp_path / f"{seed}.db"))
        store.migrate()
        world = World(store, make, random.Random(seed), over)
        try:
            for _ in range(500):
                world.step()
                world.check()
            for worker in list(world.workers):
                world.die(worker)
            for account, charged in world.charged.items():
                assert sums(store, account, 0) == (charged, 0)
            if not over:
                assert world.charged[2] <= CAPS[2]
            assert store.lease_holders("") == []
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        finally:
            store.close()
        refused, settled = refused + world.refused, settled + world.settled
    assert min(refused, settled) > 100, "it was put to the test"


def test_workers_that_ask_at_the_same_time_never_get_more_than_there_is(store, make) -> None:
    got: list[int] = []
    start = threading.Barrier(5)

    def work(name: str) -> None:
        start.wait()
        while True:
            [given] = ask(store, name, want(40, 3, cap=1000))
            got.append(given.amount)
            assert given.spent + given.leased <= 1000
            if not given.amount:
                return

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    start.wait()
    drained = 0
    for number in range(20):
        if store.leases_of("w0").get(1, 0) > drained:
            drained += 1
            store.append("w0.1", number + 1, [make(charges=(1, 0, 1))])
    for thread in threads:
        thread.join()
    assert 1000 - 2 <= sum(got) <= 1000
    assert sums(store) == (drained, sum(got) - drained)

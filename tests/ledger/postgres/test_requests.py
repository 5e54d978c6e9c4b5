import random
import threading
from collections import Counter

import psycopg
import pytest

from tokenworks.errors import StoreError
from tokenworks.ledger.limit_rows import Want
from tokenworks.ledger.postgres import PostgresStore, requests, shapes
from tokenworks.ledger.record import MAX_TOKENS, Record
from tokenworks.ledger.rollups import DAY_US, GRAINS, HOUR_US, MEASURES


def recount(sql) -> None:
    """Every roll-up says what the rows say."""
    for grain in GRAINS:
        width = HOUR_US if grain.bucket == "hour" else DAY_US
        keys = ", ".join((f"time_us / {width}", *grain.dimensions))
        special = {
            "requests": "count(*)",
            "errors": "count(*) FILTER (WHERE outcome NOT IN ('ok', 'client_gone'))",
            "ttft_requests": "count(*) FILTER (WHERE ttft_us > 0)",
        }
        sums = ", ".join(special.get(name, f"sum({name})::bigint") for name in MEASURES)
        counted = sql(f"SELECT {keys}, {sums} FROM requests GROUP BY {keys}")
        assert sorted(sql(f"SELECT * FROM {grain.table}")) == sorted(counted), grain.table


def test_rows_roll_ups_charges_and_offset_are_one_transaction(store, make, sql, monkeypatch) -> None:
    store.lease("w", [Want(1, "l_1", "s", 1000, 0, 100, 1)], {}, [], 1)
    store.append("w.1", 10, [make(charges=(1, 0, 5))])
    before = (store.totals(), store.standings(), sql("SELECT count(*) FROM requests"))

    def late(*_: object) -> None:
        raise psycopg.OperationalError("late")

    with monkeypatch.context() as patch:
        patch.setattr(requests, "spend", late)
        with pytest.raises(StoreError, match="late"):
            store.append("w.1", 20, [make(charges=(1, 0, 5)), make(app="new")])
    assert (store.totals(), store.standings(), sql("SELECT count(*) FROM requests")) == before
    assert store.journal_offset("w.1") == 10
    store.append("w.1", 20, [make(charges=(1, 0, 7)), make(app="new")], since=10)
    (row,) = store.standings()
    assert (row.spent, row.leased, store.totals().requests) == (12, 88, 3)


def test_drainers_of_many_machines_at_once_lose_nothing(url: str, store, make, sql) -> None:
    """Each with its own connections, all at the same roll-ups, shapes and accounts, in other orders."""
    accounts = range(20)
    store.lease("m0", [Want(a, "l_1", "s", 10**9, 0, 10**6, 1) for a in accounts], {}, [], 1)
    seed = random.randrange(10**9)
    failures: list[BaseException] = []
    batches: dict[int, list[list[Record]]] = {}
    for machine in range(4):
        rng = random.Random(seed + machine)
        batches[machine] = [
            [
                make(
                    app=f"app{rng.randrange(12)}",
                    model=f"acme/{rng.randrange(6)}",
                    key_id=f"k_{rng.randrange(6)}",
                    reasons=f"r{rng.randrange(40)}",
                    outcome=rng.choice(["ok", "timeout"]),
                    time_us=1_764_000_100_000_000 + rng.randrange(3 * DAY_US),
                    charges=tuple(p for a in rng.sample(accounts, 5) for p in (a, rng.randrange(3), 1)),
                )
                for _ in range(rng.choice([1, 5, 60]))
            ]
            for _ in range(12)
        ]

    def drain(machine: int) -> None:
        mine = PostgresStore(url)
        try:
            for number, batch in enumerate(batches[machine]):
                mine.append(f"m{machine}.1", number + 1, batch, since=number)
        except BaseException as error:
            failures.append(error)
        finally:
            mine.close()

    threads = [threading.Thread(target=drain, args=(machine,)) for machine in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [], seed
    every = [record for of_one in batches.values() for batch in of_one for record in batch]
    assert Counter(row[0] for row in sql("SELECT id FROM requests")) == Counter(r.id for r in every)
    recount(sql)
    assert sum(row.spent for row in store.standings()) == 5 * len(every)
    drained = sql("SELECT sum(drained)::bigint FROM leases WHERE holder = 'm0'")
    assert drained == [(5 * sum(map(len, batches[0])),)]


def test_a_drainer_waits_for_nobody_who_leases(store, url: str, make) -> None:
    store.lease("w", [Want(1, "l_1", "s", 1000, 0, 100, 1)], {}, [], 1)
    with psycopg.connect(url) as other:
        other.execute("UPDATE accounts SET touched_us = 2 WHERE account = 1")  # what a lease begins with
        store.append("w.1", 1, [make(charges=(1, 0, 5))])
        (row,) = store.standings()
        assert (row.spent, row.leased) == (5, 95)


def test_a_commit_whose_answer_was_lost_is_waited_for(store, url: str, make) -> None:
    """The old connection's transaction may still be on its way when the drainer asks again."""
    for since in (0, 10):
        with psycopg.connect(url) as other:
            other.execute("DELETE FROM journals")
            other.execute("INSERT INTO journals VALUES ('w.1', %s)", (since + 10,))
            refused: list[StoreError] = []

            def again(since=since, refused=refused) -> None:
                try:
                    store.append("w.1", since + 10, [make()], since=since)
                except StoreError as error:
                    refused.append(error)

            thread = threading.Thread(target=again)
            thread.start()
            thread.join(0.1)
            assert thread.is_alive()
            other.commit()
            thread.join()
            assert f"read up to {since + 10} already, not {since}" in str(refused[0])
    assert store.totals().requests == 0


def test_endless_shapes_do_not_fill_the_memory(store, make, monkeypatch) -> None:
    monkeypatch.setattr(shapes, "MAX_NUMBERS", 50)
    for number in range(20):
        store.append("w", number, [make(reasons=f"request {number} {n} failed") for n in range(10)])
    assert len(store._shapes._ids) <= 60
    assert store.totals().requests == 200


def test_names_too_long_for_an_index_are_cut(store, make, sql) -> None:
    long = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789🙂", k=20_000))
    store.append("w", 1, [make(app=long, session=long), make()])
    store.append("w", 2, [make(), make(output_tokens=2**62, app="\0"), make(output_tokens=MAX_TOKENS)])
    assert {row.group for row in store.usage("app")} == {long[:256], "app", "\ufffd"}
    assert sql("SELECT max(length(session)) FROM requests") == [(20_000,)], "no index, no need to cut"
    recount(sql)


def test_a_year_of_records_fits_the_sums(store) -> None:
    most = [
        Record(f"gen-1764000100-{i}", 1764000100_000000, output_tokens=MAX_TOKENS, cost_nano_usd=10**13)
        for i in range(3000)
    ]
    store.append("w", 1, most)
    assert store.totals().output_tokens == 3000 * MAX_TOKENS


def test_a_commit_is_on_the_disk_when_it_is_told(store, sql) -> None:
    assert sql("SELECT current_setting('synchronous_commit'), current_setting('transaction_isolation')") == [
        ("on", "read committed")
    ]
    store.sync()

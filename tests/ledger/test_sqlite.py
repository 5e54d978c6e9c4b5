import sqlite3
import threading
from pathlib import Path

import pytest

from tokenworks.errors import StoreError
from tokenworks.ledger import sqlite as module
from tokenworks.ledger.record import MAX_TOKENS, Record
from tokenworks.ledger.rows import ActivityRow, KeyRow, UsageRow

BASE_US = 1_764_000_100_000_000  # of the first record


def test_a_record_comes_back_as_it_went_in(store, make) -> None:
    records = [
        make(),
        make(stream=True, estimated=True, outcome="killed", status=0),
        make(session="s\0t", user="🙂"),
    ]
    store.append("w", 10, records)
    assert [store.generation(record.id) for record in records] == records
    assert store.recorded([*records, make()]) == {record.id for record in records}


@pytest.mark.parametrize(
    "unknown", ["", "gen-", "gen-x-1", "gen-1764000100-nope", "gen-" + "9" * 30 + "-1", "gen-²-1"]
)
def test_an_unknown_generation_is_none(store, make, unknown: str) -> None:
    store.append("w", 10, [make()])
    assert store.generation(unknown) is None


def test_rows_roll_ups_and_offset_are_one_transaction(store, make, monkeypatch) -> None:
    store.append("w", 10, [make()])
    monkeypatch.setattr(store, "_batcher", FailingLate())
    with pytest.raises(StoreError, match="late"):
        store.append("w", 20, [make()])
    assert (store.totals().requests, store.journal_offset("w")) == (1, 10)
    assert store._connection().execute("SELECT count(*) FROM requests").fetchone() == (1,)


class FailingLate(module.Batcher):
    def sums(self):
        raise sqlite3.OperationalError("late")


def test_a_batch_from_the_wrong_place_is_refused(store, make) -> None:
    store.append("w", 10, [make()], since=0)
    with pytest.raises(StoreError, match="read up to 10 already"):
        store.append("w", 10, [make()], since=0)
    store.append("w", 20, [make()], since=10)
    store.forget_journal("w")
    assert (store.totals().requests, store.journal_offset("w")) == (2, 0)


def test_an_id_that_is_there_counts_once(store, make, caplog) -> None:
    first, second, third = make(), make(), make()
    store.append("w", 10, [first])
    store.append("v", 10, [second, first, third, third])
    assert store.totals().requests == 3
    assert store.totals().cost_nano_usd == 3000
    assert "2 records were in the ledger already" in caplog.text


def test_values_no_column_can_hold_are_brought_within_limits(store, make) -> None:
    store.append("w", 1, [make(output_tokens=2**70, app="a\ud800")])
    store.append("w", 2, [make(output_tokens=2**62), make(output_tokens=2**62)])
    store.append("w", 3, [make(session=["a", "list"], status=None)])
    assert store.totals().requests == 4
    assert store.totals().output_tokens == 3 * MAX_TOKENS + 20


def test_names_from_outside_are_only_ever_data(store, make) -> None:
    evil = "x'); DROP TABLE keys; --"
    store.append(evil, 1, [make(app=evil, model=evil, provider=evil, key_id=evil, session=evil, user=evil)])
    store.add_key(KeyRow(evil, evil, "member", "…", 1, None, b"d" * 32))
    for by in ("model", "app", "provider", "key"):
        assert [row.group for row in store.usage(by)] == [evil]
    assert store.generation(evil) is None
    assert store.keys()[0].name == evil


def test_a_keys_usage_shows_its_name(store, make) -> None:
    store.add_key(KeyRow("k_1", "alice", "member", "…", 1, None, b"d" * 32))
    store.append("w", 1, [make(key_id="k_1"), make(key_id="k_gone"), make(key_id="")])
    assert {(row.group, row.name) for row in store.usage("key")} == {
        ("k_1", "alice"),
        ("k_gone", "k_gone"),
        ("", ""),
    }


def test_readers_see_whole_batches_while_another_thread_writes(store, make) -> None:
    batches = [[make() for _ in range(50)] for _ in range(40)]
    seen: list[tuple[int, int]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            total = store.totals()
            seen.append((total.requests, total.cost_nano_usd))

    reader = threading.Thread(target=read)
    reader.start()
    for number, batch in enumerate(batches):
        store.append("w", number, batch)
    done.set()
    reader.join()
    assert len(seen) > 5
    assert all(requests % 50 == 0 and cost == requests * 1000 for requests, cost in seen)
    assert seen == sorted(seen)
    assert store.totals().requests == 2000


def test_a_full_store_keeps_what_it_had(store, make) -> None:
    store.append("w", 1, [make()])
    connection = store._connection()
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    many = [make(session="s" * 500, reasons=f"r{i}") for i in range(200)]
    with pytest.raises(StoreError, match="full"):
        store.append("w", 2, many, since=1)
    assert (store.totals().requests, store.journal_offset("w")) == (1, 1)
    connection.execute("PRAGMA max_page_count = 1000000")
    store.append("w", 2, many, since=1)
    assert store.totals().requests == 201


def test_sync_flushes_the_write_ahead_log(store, make, monkeypatch) -> None:
    flushed: list[str] = []
    monkeypatch.setattr(
        module.os, "fsync", lambda fd: flushed.append(str(Path(f"/proc/self/fd/{fd}").resolve()))
    )
    store.append("w", 1, [make()])
    store.sync()
    assert flushed[0].endswith("ledger.db-wal")


def test_a_year_of_records_fits_the_sums(store) -> None:
    most = [
        Record(f"gen-1764000100-{i}", 1764000100_000000, output_tokens=MAX_TOKENS, cost_nano_usd=10**13)
        for i in range(3000)
    ]
    store.append("w", 1, most)
    assert store.totals().output_tokens == 3000 * MAX_TOKENS


# --- one key, and activity --------------------------------------------------------------------


def test_a_keys_sums_are_its_own(store, make) -> None:
    store.add_key(KeyRow("k_1", "alice", "member", "…", 1, None, b"d" * 32))
    store.append("w", 1, [make(), make(key_id="k_2"), make(outcome="timeout", ttft_us=0), make(key_id="")])
    found = store.key_usage("k_1")
    assert (found.group, found.name) == ("k_1", "alice")
    assert (found.requests, found.errors, found.ttft_requests) == (2, 1, 1)
    assert (found.input_tokens, found.cost_nano_usd) == (222, 2000)
    assert store.key_usage("k_2").name == "k_2"
    nothing = store.key_usage("k_1", BASE_US + 86_400_000_000)
    assert (nothing.group, nothing.name, nothing.requests, nothing.cost_nano_usd) == ("k_1", "alice", 0, 0)
    assert store.key_usage("k_nope") == UsageRow("k_nope", "k_nope")


def test_activity_is_by_day_model_and_provider(store, make) -> None:
    day = 86_400_000_000
    store.append(
        "w",
        1,
        [
            make(),
            make(provider="beta", cost_nano_usd=5),
            make(time_us=BASE_US + day, key_id="k_2"),
            make(time_us=BASE_US + day + 1, model="acme/slow"),
            make(time_us=BASE_US + day + 2, model="acme/slow"),
        ],
    )
    rows = store.activity(None, None)
    assert [(r.day, r.model, r.provider, r.requests, r.cost_nano_usd) for r in rows] == [
        ("2025-11-24", "acme/fast", "acme", 1, 1000),
        ("2025-11-24", "acme/fast", "beta", 1, 5),
        ("2025-11-25", "acme/slow", "acme", 2, 2000),
        ("2025-11-25", "acme/fast", "acme", 1, 1000),
    ]
    assert rows[0] == ActivityRow("2025-11-24", "acme/fast", "acme", 1, 100, 10, 1, 20, 5, 1000)
    of_one = store.activity(BASE_US, BASE_US + day + 2, "k_1")
    assert [(r.day, r.model, r.requests) for r in of_one] == [
        ("2025-11-24", "acme/fast", 1),
        ("2025-11-24", "acme/fast", 1),
        ("2025-11-25", "acme/slow", 1),
    ]
    assert store.activity(0, 0) == store.activity(None, None, "k_nope") == []

import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from tokenworks.errors import StoreError
from tokenworks.ledger import sqlite as module
from tokenworks.ledger.record import MAX_TOKENS, Record
from tokenworks.ledger.rows import KeyRow
from tokenworks.ledger.sqlite import SqliteStore


def key(number: int = 1, **fields) -> KeyRow:
    values = {
        "id": f"k_{number}",
        "name": "alice",
        "role": "member",
        "hint": "tw-abc…wxyz",
        "created_us": number,
        "revoked_us": None,
        "digest": bytes([number]) * 32,
    }
    return KeyRow(**(values | fields))


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
    store.add_key(key(name=evil))
    for by in ("model", "app", "provider", "key"):
        assert [row.group for row in store.usage(by)] == [evil]
    assert store.generation(evil) is None
    assert store.keys()[0].name == evil


def test_keys_are_kept_found_and_revoked(store) -> None:
    versions = [store.keys_version()]
    store.add_key(key(2, role="admin"))
    store.add_key(key(1))
    versions.append(store.keys_version())
    found = store.keys()
    assert [each.id for each in found] == ["k_1", "k_2"]
    assert store.key_by_digest(b"\x02" * 32) == key(2, role="admin")
    assert store.key_by_digest(b"\x03" * 32) is None
    assert store.revoke_key("k_1")
    versions.append(store.keys_version())
    assert not store.revoke_key("k_1")
    assert not store.revoke_key("k_9")
    assert versions[0] < versions[1] < versions[2] == store.keys_version()
    found = store.keys()
    assert [each.active for each in found] == [False, True]
    with pytest.raises(StoreError, match="UNIQUE"):
        store.add_key(key(3, digest=b"\x02" * 32))
    with pytest.raises(StoreError, match="CHECK"):
        store.add_key(key(4, role="root"))


def test_a_key_changed_by_hand_changes_the_version(store, tmp_path: Path) -> None:
    store.add_key(key())
    before = store.keys_version()
    other = sqlite3.connect(tmp_path / "ledger.db")
    with other:
        other.execute("DELETE FROM keys")
    other.close()
    assert store.keys_version() > before


def test_a_keys_usage_shows_its_name(store, make) -> None:
    store.add_key(key(1, name="alice"))
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


def test_connections_of_threads_that_ended_are_closed(store) -> None:
    for _ in range(5):
        thread = threading.Thread(target=store.keys_version)
        thread.start()
        thread.join()
    assert len(store._connections) <= 3


def test_a_locked_store_says_so_and_works_again(store, make, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(module, "BUSY_S", 0.05)
    impatient = SqliteStore(str(tmp_path / "ledger.db"))
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        impatient.append("w", 1, [make()])
    assert impatient.totals().requests == 0, "readers do not wait"
    other.execute("ROLLBACK")
    other.close()
    impatient.append("w", 1, [make()])
    assert impatient.totals().requests == 1
    impatient.close()


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


def test_a_file_that_is_no_store_is_reported(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is not a database, " * 100)
    with pytest.raises(StoreError, match=r"text\.db: file is not a database"):
        SqliteStore(str(tmp_path / "text.db")).migrate()
    with pytest.raises(StoreError, match=r"missing.*ledger\.db"):
        SqliteStore(str(tmp_path / "missing" / "ledger.db")).migrate()
    fresh = SqliteStore(str(tmp_path / "fresh.db"))
    with pytest.raises(StoreError, match=r"run migrate\(\) first"):
        fresh.totals()
    fresh.close()


def test_the_file_is_its_owners_alone_and_in_wal_mode(store, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "ledger.db").stat().st_mode) == 0o600
    assert store._connection().execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._connection().execute("PRAGMA synchronous").fetchone() == (1,)
    durable = SqliteStore(str(tmp_path / "ledger.db"), durable=True)
    assert durable._connection().execute("PRAGMA synchronous").fetchone() == (2,)
    durable.close()


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

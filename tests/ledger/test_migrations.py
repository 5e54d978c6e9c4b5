import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tokenworks.errors import StoreError
from tokenworks.ledger import spans
from tokenworks.ledger import sqlite_file as module
from tokenworks.ledger.migrations import STEPS
from tokenworks.ledger.rows import KeyRow
from tokenworks.ledger.sqlite import SqliteStore

MIGRATE = "import sys; from tokenworks.ledger.sqlite import SqliteStore; SqliteStore(sys.argv[1]).migrate()"


def version(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


def test_processes_that_start_together_migrate_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    starts = [subprocess.Popen([sys.executable, "-c", MIGRATE, str(path)]) for _ in range(4)]
    assert [start.wait() for start in starts] == [0, 0, 0, 0]
    assert version(path) == len(STEPS)


def test_migrating_again_changes_nothing(store, make, tmp_path: Path) -> None:
    store.append("w", 1, [make()])
    store.migrate()
    assert store.totals().requests == 1
    assert version(tmp_path / "ledger.db") == len(STEPS)


def test_a_newer_programs_store_is_refused_untouched(store, tmp_path: Path, make) -> None:
    store.close()
    path = tmp_path / "ledger.db"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    connection.close()
    for attempt in (store.migrate, store.totals, lambda: store.append("w", 1, [make()])):
        with pytest.raises(StoreError, match=r"newer Tokenworks.*upgrade"):
            attempt()
    assert version(path) == len(STEPS) + 1


def test_a_step_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "ledger.db"
    store = SqliteStore(str(path))
    monkeypatch.setattr(module, "STEPS", (*STEPS, ("CREATE TABLE more (a INTEGER) STRICT", "NOT SQL")))
    with pytest.raises(StoreError, match="syntax error"):
        store.migrate()
    assert version(path) == 0
    monkeypatch.undo()
    store.migrate()
    assert store.keys() == []
    store.close()


def test_money_and_tokens_can_only_be_whole_numbers(store, make) -> None:
    store.append("w", 1, [make()])
    connection = store._connection()
    with pytest.raises(sqlite3.IntegrityError, match="cannot store"):
        connection.execute("UPDATE request_facts SET cost_nano_usd = 0.5")
    with pytest.raises(sqlite3.IntegrityError, match="cannot store"):
        connection.execute("UPDATE day_model SET cost_nano_usd = 'x'")


def old(path: Path, *statements: tuple[str, tuple[object, ...]], schema: int = 1) -> None:
    """A store as an older version made it, with ``statements`` done to it."""
    connection = sqlite3.connect(path)
    with connection:
        for statement in (statement for step in STEPS[:schema] for statement in step):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {schema}")
        for sql, values in statements:
            connection.execute(sql, values)
    connection.close()


def test_a_store_of_the_first_version_goes_on_with_all_it_had(tmp_path: Path, make) -> None:
    path = tmp_path / "ledger.db"
    insert = "INSERT INTO keys (id, name, role, hint, created_us, revoked_us, digest) VALUES (?,?,?,?,?,?,?)"
    sums = "INSERT INTO day_key_model VALUES (20000, ?, 'acme/fast', 3, 1, 1, 2, 3, 4, 5, 6, 7, 8, 2)"
    old(
        path,
        (insert, ("k_1", "alice", "member", "tw-abc…wxyz", 5, None, b"1" * 32)),
        (insert, ("k_2", "bob", "admin", "tw-abc…wxyz", 6, 9, b"2" * 32)),
        (sums, ("k_1",)),
    )
    store = SqliteStore(str(path))
    store.migrate()
    assert version(path) == len(STEPS)
    assert store.keys() == [
        KeyRow("k_1", "alice", "member", "tw-abc…wxyz", 5, None, b"1" * 32, 5, None, False),
        KeyRow("k_2", "bob", "admin", "tw-abc…wxyz", 6, 9, b"2" * 32, 9, None, False),
    ]
    assert (store.key_usage("k_1").requests, store.key_usage("k_1").input_tokens) == (3, 6)
    assert store.update_key("k_1", disabled=True) is not None
    store.append("w", 1, [make()], since=0)
    assert store.key_usage("k_1").requests == 4
    assert store.provider_keys() == []
    assert store.state("s", "i", 0) is None
    store.close()


def test_a_store_of_the_second_version_keeps_its_keys(tmp_path: Path, make) -> None:
    path = tmp_path / "ledger.db"
    insert = (
        "INSERT INTO keys"
        " (id, name, role, hint, created_us, revoked_us, digest, updated_us, expires_us, disabled)"
        " VALUES (?,?,?,?,?,?,?,?,?,?)"
    )
    keys = [
        ("k_1", "alice", "member", "tw-abc…wxyz", 5, None, b"1" * 32, 7, 99, 1),
        ("k_2", "bob", "admin", "tw-abc…wxyz", 6, 9, b"2" * 32, 9, None, 0),
    ]
    sealed = ("INSERT INTO provider_keys VALUES ('pk_1','acme','a',1.5,?,'…',3,0)", (b"sealed",))
    states = ("INSERT INTO states VALUES ('s', 'i', 50, ?)", (b"kept",))
    old(path, *[(insert, values) for values in keys], sealed, states, schema=2)
    store = SqliteStore(str(path))
    for attempt in (
        store.limits,
        store.keys,
        lambda: store.add_key(KeyRow("k", "", "admin", "", 1, None, b"")),
    ):
        with pytest.raises(StoreError, match="run migrate"):
            attempt()
    store.migrate()
    assert version(path) == len(STEPS)
    assert store.keys() == [KeyRow(*keys[0][:-1], True), KeyRow(*keys[1][:-1], False)]
    assert store.key_by_digest(b"2" * 32).id == "k_2"
    assert store.keys_version() > 3, "key books read them anew"
    seen = store.keys_version()
    connection = store._connection()
    for change in (
        "UPDATE keys SET role = 'manager', team_id = 't_1', rules = '{}' WHERE id = 'k_1'",
        "INSERT INTO keys (id, name, role, hint, created_us, digest) VALUES ('k_3','c','member','…',1,x'33')",
        "DELETE FROM keys WHERE id = 'k_3'",
    ):
        connection.execute(change)
        assert store.keys_version() == (seen := seen + 1), change
    for refused in (
        "UPDATE keys SET role = 'root'",
        "UPDATE keys SET digest = x'00'",
        "UPDATE keys SET old_digest = x'00'",
        "UPDATE keys SET disabled = 2",
    ):
        with pytest.raises(sqlite3.IntegrityError, match=r"CHECK|UNIQUE"):
            connection.execute(refused)
    assert store.state("s", "i", 0) == b"kept"
    assert store.provider_keys()[0].ciphertext == b"sealed"
    assert store.audit() == store.limits() == store.standings() == []
    assert store.plans_version() == 1
    store.append("w", 1, [make()], since=0)
    store.close()


@pytest.mark.parametrize("schema", range(1, len(STEPS)))
def test_a_migrated_store_is_a_new_one(tmp_path: Path, schema: int) -> None:
    old(tmp_path / "old.db", schema=schema)
    shapes = []
    for name in ("old.db", "new.db"):
        store = SqliteStore(str(tmp_path / name))
        store.migrate()
        schema = store._connection().execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name")
        shapes.append(schema.fetchall())
        store.close()
    assert shapes[0] == shapes[1]


def test_one_keys_sums_are_found_by_an_index(store) -> None:
    sql, parameters = spans.query("key", None, None, "k_1")
    plan = store._connection().execute(f"EXPLAIN QUERY PLAN {sql}", parameters).fetchall()
    assert any("day_key_model_by_key (key_id=? AND day>? AND day<?)" in row[-1] for row in plan), plan
    plan = store._connection().execute(
        "EXPLAIN QUERY PLAN SELECT rowid FROM states WHERE expires_us <= 1 ORDER BY expires_us LIMIT 1"
    )
    assert "states_by_expiry" in plan.fetchone()[-1]


FACT = (
    "INSERT INTO request_facts (time_us, id, session, user, uncached_input_tokens, cache_read_tokens,"
    " cache_write_tokens, output_tokens, reasoning_tokens, cost_nano_usd, latency_us, ttft_us, shape_id)"
    " VALUES (?, ?, '', ?, ?, 10, 0, 20, 0, 7, 1, 1, 1)"
)
SHAPE = (
    "INSERT INTO request_shapes VALUES (1, x'00', 'k_1', 'app', 'chat', 'm', 'm', 'acme', 1, 200, 'ok',"
    " 'stop', 1, '', '', 0)"
)
HOURS = "INSERT INTO hour_model_provider VALUES (?, 'm', ?, 1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 1)"


def test_rankings_begin_with_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    old(
        path,
        (SHAPE, ()),
        (FACT, (5, "a", "ann", 990)),
        (FACT, (6, "b", "", 991)),
        (HOURS, (0, "acme")),
        (HOURS, (23, "acme")),
        (HOURS, (24, "acme")),
        (HOURS, (0, "beta")),
        ("INSERT INTO day_key_model VALUES (0, 'k_1', 'm', 1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 1)", ()),
        schema=4,
    )
    store = SqliteStore(str(path))
    store.migrate()
    assert store.cube("user", ["user", "model"], 0, 2**60) == [("ann", "m", 1, 1020, 7)]
    assert sorted(store.cube("context", ["context"], 0, 2**60)) == [("1K", 1, 1020, 7), ("4K", 1, 1021, 7)]
    assert store.cube("finish", ["finish_reason"], 0, 2**60) == [("stop", 2, 2041, 0)]
    provider = {row[:2]: row[2:] for row in store.cube("provider", ["day", "provider"], 0, 2**60)}
    assert provider == {
        (0, "acme"): (2, 0, 4, 6, 8, 10, 12, 14, 16, 18, 0, 2),
        (0, "beta"): (1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1),
        (1, "acme"): (1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1),
    }
    assert sorted(store.cube("share", ["kind", "name"], 0, 2**60)) == [
        ("provider", "acme", 3, 42, 21),
        ("provider", "beta", 1, 14, 7),
    ]
    assert store.key_usage("k_1").output_tokens == 5
    assert [(r.id, r.tool_calls, r.private) for r in store.search(0, 2**60)] == [
        ("b", 0, False),
        ("a", 0, False),
    ]
    store.close()

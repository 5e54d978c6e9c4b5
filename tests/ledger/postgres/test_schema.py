import subprocess
import sys

import postgres
import psycopg
import pytest

from tokenworks.errors import StoreError
from tokenworks.ledger import migrations, spans
from tokenworks.ledger.postgres import PostgresStore, database
from tokenworks.ledger.postgres.schema import STEPS

MIGRATE = (
    "import sys; from tokenworks.ledger.postgres import PostgresStore; PostgresStore(sys.argv[1]).migrate()"
)


def test_processes_that_start_together_migrate_once(url: str) -> None:
    starts = [subprocess.Popen([sys.executable, "-W", "ignore", "-c", MIGRATE, url]) for _ in range(4)]
    assert [start.wait() for start in starts] == [0, 0, 0, 0]
    store = PostgresStore(url)
    assert store._row("SELECT value FROM meta WHERE name = 'schema_version'") == (len(STEPS),)
    store.close()


def test_migrating_again_changes_nothing(store, make, sql) -> None:
    store.append("w", 1, [make()])
    store.migrate()
    assert store.totals().requests == 1
    assert sql("SELECT value FROM meta WHERE name = 'schema_version'") == [(len(STEPS),)]


def test_a_newer_programs_store_is_refused_untouched(store, make, sql) -> None:
    sql("UPDATE meta SET value = %s WHERE name = 'schema_version'", len(STEPS) + 1)
    store.close()
    for attempt in (store.migrate, store.totals, lambda: store.append("w", 1, [make()])):
        with pytest.raises(StoreError, match=r"newer Tokenworks.*upgrade"):
            attempt()


def test_a_step_that_fails_leaves_nothing_behind(url: str, monkeypatch) -> None:
    store = PostgresStore(url)
    monkeypatch.setattr(database, "STEPS", (*STEPS, ("CREATE TABLE more (a bigint)", "NOT SQL")))
    with pytest.raises(StoreError, match="syntax error"):
        store.migrate()
    assert store._rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []
    monkeypatch.undo()
    store.migrate()
    monkeypatch.setattr(database, "STEPS", (*STEPS, ("CREATE TABLE more (a bigint)",)))
    store.migrate()
    assert store._row("SELECT value FROM meta WHERE name = 'schema_version'") == (len(STEPS) + 1,)
    store.close()


def test_two_stores_in_one_database_keep_to_their_schemas(store, url: str, make, sql) -> None:
    sql("CREATE SCHEMA other")
    other = PostgresStore(url + "&options=-csearch_path%3Dother")
    other.migrate()
    other.append("w", 1, [make(), make()])
    store.append("w", 1, [make()])
    assert (store.totals().requests, other.totals().requests) == (1, 2)
    before = other.keys_version()
    sql("""INSERT INTO other.keys (id, name, role, hint, created_us, digest)
        VALUES ('k', 'n', 'admin', '', 1, 'd')""")  # whatever the search_path of who does it
    assert other.keys_version() > before
    assert store.keys_version() == 1
    other.close()


def test_tables_and_columns_are_those_of_the_other_engine(store, sql, tmp_path) -> None:
    import sqlite3

    other = sqlite3.connect(":memory:")
    for step in migrations.STEPS:
        for statement in step:
            other.execute(statement)
    names = [
        row[0] for row in other.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")
    ]
    theirs = {(name, row[1]) for name in names for row in other.execute(f"PRAGMA table_info({name})")}
    other.close()
    ours = sql("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'")
    assert set(ours) == theirs


def test_text_is_in_byte_order_whatever_the_databases_language(make) -> None:
    server = postgres.shared()
    names = ["b", "A", "a", "B", "é", "_", "Z"]
    try:
        url = server.database("TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en'")
    except psycopg.Error as error:
        pytest.skip(f"this PostgreSQL knows no other languages: {error}")
    store = PostgresStore(url)
    store.migrate()
    store.append("w", 1, [make(model=name, provider=name, app=name) for name in names])
    for by in ("model", "app", "provider"):
        assert [row.group for row in store.usage(by)] == sorted(names)
    assert [row.model for row in store.activity(None, None)] == sorted(names)
    store.close()
    server.drop(url)


def test_money_and_tokens_can_only_be_whole_numbers(store, make, sql) -> None:
    store.append("w", 1, [make()])
    with pytest.raises(psycopg.DataError, match="invalid input syntax"):
        sql("UPDATE request_facts SET cost_nano_usd = '0.5'")


def test_one_keys_sums_are_found_by_an_index(store, sql) -> None:
    query, parameters = spans.query("key", None, None, "k_1", spans.POSTGRES)
    sql("SET LOCAL enable_seqscan = off")
    plan = "\n".join(row[0] for row in sql(f"EXPLAIN {query}", *parameters))
    assert "day_key_model_by_key" in plan

import os
import socket
import threading
import time

import postgres
import psycopg
import pytest

from tokenworks.errors import StoreError
from tokenworks.ledger.postgres import PostgresStore, database
from tokenworks.ledger.rows import KeyRow


def key(number: int, digest: bytes) -> KeyRow:
    return KeyRow(f"k_{number}", "alice", "member", "…", 1, None, digest)


def end_all(store: PostgresStore) -> None:
    """What a restart of the server does to connections."""
    postgres.shared().execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
        store._address.parameters["dbname"],
    )


def test_connections_are_used_again_and_few_are_kept(store) -> None:
    first = store._take()
    store._give_back(first, store._life)
    store.keys_version()
    assert store._idle == [first]
    threads = [threading.Thread(target=store._rows, args=("SELECT pg_sleep(0.05)",)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= len(store._idle) <= database.MAX_IDLE


def test_there_are_never_more_than_so_many_at_once(store, monkeypatch, sql) -> None:
    monkeypatch.setattr(database, "BUSY_S", 0.05)
    store._busy = threading.BoundedSemaphore(2)
    hold = threading.Barrier(3)

    def held() -> None:
        with store._session():
            hold.wait()
            hold.wait()

    threads = [threading.Thread(target=held) for _ in range(2)]
    for thread in threads:
        thread.start()
    hold.wait()
    with pytest.raises(StoreError, match="connections are in use"):
        store.totals()
    hold.wait()
    for thread in threads:
        thread.join()
    assert store.totals().requests == 0


def test_connections_that_broke_while_idle_are_replaced_unnoticed(store, make) -> None:
    store.append("w", 1, [make()], since=0)
    for _ in range(3):
        end_all(store)
        store.append("w", 2, [make()])
        end_all(store)
        assert store.totals().requests >= 2


def test_one_that_breaks_at_work_is_an_error_once(store, make) -> None:
    record = make()

    def work(connection) -> None:
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(StoreError, match="terminating connection"):
        store._write(work)
    store.append("w", 1, [record], since=0)
    assert store.generation(record.id) == record


def test_a_child_does_not_use_its_parents_connections(store) -> None:
    store.keys_version()
    pid = os.fork()
    if pid == 0:
        mine = store._idle[:]
        good = store.keys_version() == 1 and store._idle[0] not in mine
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert store.keys_version() == 1


def test_closed_it_may_be_used_again(store) -> None:
    with store._session() as connection:
        store.close()
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert connection.closed, "not kept"
    assert store._idle == []
    assert store.keys_version() == 1
    store.close()
    store.close()


def test_work_that_locks_itself_up_with_other_work_is_done_again(store, sql) -> None:
    sql("CREATE TABLE two (id int PRIMARY KEY, n int)")
    sql("INSERT INTO two VALUES (1, 0), (2, 0)")
    met = threading.Barrier(2)
    tries: list[int] = []

    def both(first: int, second: int) -> None:
        turns = 0

        def work(connection) -> None:
            nonlocal turns
            turns += 1
            connection.execute("SET LOCAL deadlock_timeout = '20ms'")
            connection.execute("UPDATE two SET n = n + 1 WHERE id = %s", (first,))
            if turns == 1:
                met.wait()
            connection.execute("UPDATE two SET n = n + 1 WHERE id = %s", (second,))

        store._write(work)
        tries.append(turns)

    threads = [threading.Thread(target=both, args=pair) for pair in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sql("SELECT n FROM two") == [(2,), (2,)]
    assert sorted(tries) == [1, 2]


# --- errors -----------------------------------------------------------------------------------


def test_errors_tell_neither_values_of_rows_nor_the_password(store, url: str, caplog) -> None:
    store.add_key(key(1, b"d" * 32))
    with pytest.raises(StoreError) as caught:
        store.add_key(key(2, b"d" * 32))
    assert str(caught.value).endswith('duplicate key value violates unique constraint "keys_digest_key"')
    assert b"d".hex() * 8 not in str(caught.value)
    elsewhere = PostgresStore("postgresql://me:hunter2xyz@127.0.0.1:1/db?application_name=x")
    with pytest.raises(StoreError, match=r"postgresql://127\.0\.0\.1:1/db: .*refused") as caught:
        elsewhere.totals()
    assert "hunter2xyz" not in f"{caught.value}{caught.value.__cause__}{elsewhere!r}{elsewhere._address!r}"
    wrong = PostgresStore(url.replace("postgres@", "nobody:hunter2xyz@"))
    with pytest.raises(StoreError, match='role "nobody" does not exist') as caught:
        wrong.totals()
    assert "hunter2xyz" not in f"{caught.value}{caught.value.__cause__}{caplog.text}"


def test_a_server_that_does_not_answer_is_given_up_soon() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        silent = PostgresStore(f"postgresql://127.0.0.1:{port}/db?connect_timeout=2&sslmode=disable")
        began = time.monotonic()
        with pytest.raises(StoreError, match="timeout"):
            silent.totals()
        assert time.monotonic() - began < 4


def test_a_database_that_can_not_be_used_says_why(url: str) -> None:
    fresh = PostgresStore(url)
    with pytest.raises(StoreError, match=r"run migrate\(\) first"):
        fresh.totals()
    fresh.close()
    nowhere = PostgresStore(url + "&options=-csearch_path%3Dnowhere")
    with pytest.raises(StoreError, match="run CREATE SCHEMA first"):
        nowhere.migrate()
    server = postgres.shared()
    latin = server.database("ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(StoreError, match="encoded in LATIN1"):
        PostgresStore(latin).migrate()
    server.drop(latin)


def test_tables_of_another_program_are_left_alone(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE meta (name text, value text)")
    with pytest.raises(StoreError, match="tables of another program"):
        PostgresStore(url).migrate()
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE meta")
        connection.execute("CREATE TABLE meta (something int)")
    with pytest.raises(StoreError, match="tables of another program"):
        PostgresStore(url).migrate()
    with psycopg.connect(url) as connection:
        assert connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchone() == (1,)


def test_a_lock_held_too_long_is_an_error_and_no_hang(store, url: str) -> None:
    store.keep_state("s", "i", b"", 1)
    hasty = PostgresStore(url + "&options=-clock_timeout%3D50")
    with psycopg.connect(url) as other:
        other.execute("UPDATE states SET expires_us = 2")
        with pytest.raises(StoreError, match="lock timeout"):
            hasty.keep_state("s", "i", b"", 3)
    hasty.keep_state("s", "i", b"", 3)
    hasty.close()

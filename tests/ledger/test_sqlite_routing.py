"""Decisions in SQLite: what must hold of every store, and that the queries find their rows by an index."""

import sqlite3
from pathlib import Path

import deciding
import pytest

from tokenworks.errors import StoreError
from tokenworks.ledger import spans
from tokenworks.ledger.migrations import STEPS
from tokenworks.ledger.sqlite import SqliteStore


@pytest.mark.parametrize("check", deciding.DECISIONS, ids=lambda check: check.__name__)
def test_decisions(store, check) -> None:
    check(store)


def test_a_process_that_dies_while_it_writes_leaves_nothing_half(store, monkeypatch) -> None:
    from tokenworks.ledger import sqlite as module

    class Dying(BaseException):
        pass

    def die(connection: sqlite3.Connection, records: object) -> None:
        real(connection, records)
        raise Dying

    real = module.decide
    with monkeypatch.context() as patch:
        patch.setattr(module, "decide", die)
        with pytest.raises(Dying):
            store.append("w", 1, [deciding.record(1, deciding.told())], since=0)
    assert (store.learnt(0), store.decisions(0, 2**62), store.journal_offset("w")) == ([], [], 0)
    store.append("w", 1, [deciding.record(1, deciding.told())], since=0)
    assert len(store.learnt(0)) == 2


def test_a_store_of_the_third_version_gets_its_tables(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    connection = sqlite3.connect(path)
    for step in STEPS[:3]:
        for statement in step:
            connection.execute(statement)
    connection.execute("PRAGMA user_version = 3")
    connection.commit()
    connection.close()
    store = SqliteStore(str(path))
    with pytest.raises(StoreError, match="run migrate"):
        store.learnt(0)
    store.migrate()
    store.append("w", 1, [deciding.record(1, deciding.told())], since=0)
    assert len(store.learnt(0)) == 2 and store.feedback(0, 2**62) == []
    store.close()


def test_spans_are_found_by_an_index(store) -> None:
    sql, parameters = spans.savings("task", 5, 9)
    for statement, values in (
        (sql, parameters),
        ("SELECT id FROM decisions ORDER BY time_us DESC, id DESC LIMIT 3", []),
        ("SELECT task FROM learnt WHERE day >= 7 ORDER BY day, task, model", []),
        ("SELECT id FROM feedback WHERE time_us >= 1 AND time_us < 2 ORDER BY time_us, id LIMIT 3", []),
    ):
        plan = store._connection().execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
        assert "INDEX" in plan[0][-1] or "PRIMARY KEY" in plan[0][-1], plan

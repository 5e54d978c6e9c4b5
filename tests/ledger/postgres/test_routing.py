"""Decisions in PostgreSQL: what must hold of every store, on one database that is emptied in between."""

from collections.abc import Iterator

import deciding
import postgres
import pytest

from tokenworks.ledger.decided import LearntRow
from tokenworks.ledger.postgres import PostgresStore
from tokenworks.ledger.postgres.schema import STEPS

EMPTY = "TRUNCATE decisions, learnt, feedback, request_facts, journals, hour_model_provider, day_model"


@pytest.fixture(scope="module")
def made() -> Iterator[PostgresStore]:
    url = postgres.shared().database()
    found = PostgresStore(url)
    found.migrate()
    yield found
    found.close()
    postgres.shared().drop(url)


@pytest.fixture
def store(made: PostgresStore) -> PostgresStore:
    made._do(EMPTY)
    return made


@pytest.mark.parametrize("check", deciding.DECISIONS, ids=lambda check: check.__name__)
def test_decisions(store, check) -> None:
    check(store)


def test_a_batch_of_many_is_one_row_for_each_cell(store) -> None:
    store.append("w", 1, [deciding.record(number, deciding.told()) for number in range(300)])
    assert store.learnt(0)[0] == LearntRow(
        *(deciding.DAY, "code", "acme/fast", 150.0, 75.0), *(300, 30_000, 12_000, 6_000, 1_500, 30_000)
    )


def test_a_store_of_the_first_version_gets_its_tables() -> None:
    url = postgres.shared().database()
    store = PostgresStore(url)

    def first(connection) -> None:
        for statement in STEPS[0]:
            connection.execute(statement.encode())
        connection.execute("INSERT INTO meta VALUES ('schema_version', 1)")

    store._transact(first)
    store.migrate()
    store.append("w", 1, [deciding.record(1, deciding.told())], since=0)
    assert len(store.learnt(0)) == 2 and store.feedback(0, 2**62) == []
    store.close()
    postgres.shared().drop(url)

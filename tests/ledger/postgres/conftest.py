"""A PostgreSQL store for each test, in a database of its own."""

from collections.abc import Iterator

import postgres
import pytest

from tokenworks.ledger.postgres import PostgresStore


@pytest.fixture
def url() -> Iterator[str]:
    """Of an empty database."""
    made = postgres.shared().database()
    yield made
    postgres.shared().drop(made)


@pytest.fixture
def store(url: str) -> Iterator[PostgresStore]:
    made = PostgresStore(url)
    made.migrate()
    yield made
    made.close()


@pytest.fixture
def sql(store: PostgresStore):
    """Run one statement in the store's database and return its rows."""

    def run(statement: str, *values: object) -> list[tuple]:
        def work(connection):
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

        return store._transact(work)

    return run

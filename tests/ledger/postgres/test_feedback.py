"""Verdicts in PostgreSQL: what must hold of every store, on one database that is emptied in between."""

from collections.abc import Iterator

import deciding
import postgres
import pytest

from tokenworks.ledger.postgres import PostgresStore, feedback


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
    made._do("TRUNCATE decisions, learnt, feedback, request_facts, journals")
    return made


@pytest.mark.parametrize("check", deciding.VERDICTS, ids=lambda check: check.__name__)
def test_verdicts(store, check) -> None:
    check(store)


def test_what_fails_half_way_leaves_the_old_verdict_and_its_sums(store, monkeypatch) -> None:
    store.put_feedback(deciding.verdict(1, 1.0))

    def die(*_: object) -> None:
        raise RuntimeError("died")

    with monkeypatch.context() as patch:
        patch.setattr(feedback, "learn", die)
        with pytest.raises(RuntimeError, match="died"):
            store.put_feedback(deciding.verdict(1, 0.0))
    assert store.feedback_of(deciding.verdict(1).id).score == 1.0
    assert list(deciding.learnt(store).values()) == [(1.0, 1.0)]

"""Verdicts in SQLite: what must hold of every store."""

import deciding
import pytest

from tokenworks.ledger import sqlite_feedback


@pytest.mark.parametrize("check", deciding.VERDICTS, ids=lambda check: check.__name__)
def test_verdicts(store, check) -> None:
    check(store)


def test_what_fails_half_way_leaves_the_old_verdict_and_its_sums(store, monkeypatch) -> None:
    store.put_feedback(deciding.verdict(1, 1.0))

    def die(*_: object) -> None:
        raise RuntimeError("died")

    with monkeypatch.context() as patch:
        patch.setattr(sqlite_feedback, "learn", die)
        with pytest.raises(RuntimeError, match="died"):
            store.put_feedback(deciding.verdict(1, 0.0))
    assert store.feedback_of(deciding.verdict(1).id).score == 1.0
    assert list(deciding.learnt(store).values()) == [(1.0, 1.0)]

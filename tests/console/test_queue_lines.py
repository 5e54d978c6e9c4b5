"""Requests that wait, as a page shows them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fresh_store import fresh_store
from queueing import queued_row

from tokenworks.console import queue_lines
from tokenworks.console.queue_lines import COLUMNS, STATUSES, cancel, found, look
from tokenworks.ledger.store import Store

MOST = (1000, 1 << 20)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = fresh_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    yield made
    made.close()


def test_age_ends_with_the_request(store: Store) -> None:
    first, second = queued_row("k_1", created_us=1_000_000), queued_row("k_2", created_us=1_000_000)
    assert store.enqueue(first, *MOST)
    assert store.enqueue(second, *MOST)
    store.cancel(first.id, 3_000_000)
    waiting = look(store, 9_000_000)
    assert {line.row.id: line.age_s for line in waiting.lines} == {first.id: 2.0, second.id: 8.0}
    assert {line.row.id: line.wait_us for line in waiting.lines} == {first.id: None, second.id: 100}
    assert waiting.counts == {each: int(each in ("queued", "cancelled")) for each in STATUSES}
    assert waiting.whole
    assert [line.row.id for line in found(waiting.lines, "queued")] == [second.id]
    assert [line.row.id for line in found(waiting.lines, "", "K_1")] == [first.id]
    for key in COLUMNS.values():
        assert len(sorted(waiting.lines, key=key)) == 2


def test_a_long_queue_says_that_it_is_not_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_lines, "MOST", 2)
    for _ in range(3):
        assert store.enqueue(queued_row(), *MOST)
    waiting = look(store, 1)
    assert (len(waiting.lines), waiting.whole) == (2, False)


def test_cancelling_ones_own_is_not_noted_as_the_api_does_it(store: Store) -> None:
    own, other = queued_row("k_admin"), queued_row("k_1")
    for row in (own, other):
        assert store.enqueue(row, *MOST)
        assert cancel(store, row.id, "k_admin")
        assert not cancel(store, row.id, "k_admin")
    assert [each.target for each in store.audit()] == [other.id]
    assert not cancel(store, "q_none", "k_admin")

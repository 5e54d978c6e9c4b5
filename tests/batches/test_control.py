"""What people do to batches, and when they may."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batching import batch_row, part_rows
from fresh_store import fresh_store

from tokenworks.batches.control import act, allowed
from tokenworks.errors import BadRequest, NotFound
from tokenworks.ledger.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = fresh_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    yield store
    store.close()


def add(store: Store, **fields: Any) -> str:
    row = batch_row(**fields)
    store.add_batch(row)
    return row.id


def test_paused_by_hand_and_let_go_on_as_another_run(store: Store) -> None:
    batch_id = add(store)
    paused = act(store, batch_id, "pause", actor="k_9")
    assert (paused.status, paused.note) == ("paused", "paused by hand")
    assert act(store, batch_id, "pause", actor="k_9") == paused
    going = act(store, batch_id, "resume", actor="k_9")
    assert going.status in ("in_progress", "validating") and going.note == "" and going.run == 2
    assert act(store, batch_id, "resume", actor="k_9") == going
    actions = [row.action for row in store.audit(limit=10)]
    assert actions.count("batch.paused") == 1 and actions.count("batch.resume") == 1


def test_cancelled_once_and_for_all(store: Store) -> None:
    for status in ("validating", "in_progress", "paused"):
        batch_id = add(store, status=status)
        assert act(store, batch_id, "cancel", actor="k").status == "cancelling"
        assert act(store, batch_id, "cancel", actor="k").status == "cancelling"
        with pytest.raises(BadRequest, match=r"is cancelling; resume is for paused$"):
            act(store, batch_id, "resume", actor="k")


def test_what_is_over_is_only_tried_again(store: Store) -> None:
    batch_id = add(store, status="completed", finished_us=1)
    store.add_parts(batch_id, part_rows(batch_id, 2))
    with pytest.raises(BadRequest, match="is completed; pause is for validating or in_progress; retry does"):
        act(store, batch_id, "pause", actor="k")
    again = act(store, batch_id, "retry", actor="k")
    assert (again.status, again.run, again.finished_us) == ("in_progress", 2, None)
    with pytest.raises(BadRequest, match="only one that is over"):
        act(store, batch_id, "retry", actor="k")


def test_a_file_without_a_request_is_not_tried_again(store: Store) -> None:
    with pytest.raises(BadRequest, match="correct its file"):
        act(store, add(store, status="failed"), "retry", actor="k")


def test_none_there_is_told(store: Store) -> None:
    with pytest.raises(NotFound, match="tokenworks batch list"):
        act(store, "batch_x", "pause", actor="k")


def test_what_may_be_done_now() -> None:
    assert allowed(batch_row()) == ("pause", "cancel")
    assert allowed(batch_row(status="paused")) == ("resume", "cancel")
    assert allowed(batch_row(status="finalizing")) == ()
    assert allowed(batch_row(status="completed", total=2, done=2)) == ()
    assert allowed(batch_row(status="completed", total=2, done=1, failed=1)) == ("retry",)
    assert allowed(batch_row(status="cancelled", total=2, done=1)) == ("retry",)
    assert allowed(batch_row(status="failed", kind="translate")) == ("retry",)
    assert allowed(batch_row(status="failed")) == ()
    unwritten = batch_row(status="failed", kind="translate", total=2, done=2)
    assert allowed(unwritten) == ("retry",), "all is answered, and its files could not be written"

"""``batch pause|resume|cancel|retry``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from batching import batch_row, part_rows
from click.testing import Result

from tokenworks.cli.who import actor
from tokenworks.ledger.store import Store


def test_each_does_what_it_says_in_our_name(
    store: Store, batch: Callable[..., Result], told: Callable[..., Any]
) -> None:
    row = batch_row()
    store.add_batch(row)
    store.add_parts(row.id, part_rows(row.id, 1))
    assert "paused by hand" in batch("pause", row.id).output
    assert told("resume", row.id)["status"] == "in_progress"
    assert told("cancel", row.id)["status"] == "cancelling"
    assert {each.actor for each in store.audit(limit=3)} == {actor()}
    refused = batch("retry", row.id)
    assert refused.exit_code == 1 and "only one that is over is tried again" in refused.output
    store.update_batch(row.id, status="cancelled", finished_us=1)
    assert told("retry", row.id)["run"] == 3
    assert batch("pause", "none").exit_code == 1

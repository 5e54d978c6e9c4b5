"""``batch list``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from batching import batch_row
from click.testing import Result

from tokenworks.ledger.store import Store


def test_the_latest_first_and_only_those_wanted(
    store: Store, batch: Callable[..., Result], told: Callable[..., Any]
) -> None:
    assert "no batch yet; start one" in batch("list").output
    rows = [batch_row(status=status) for status in ("completed", "in_progress", "paused")]
    for row in rows:
        store.add_batch(row)

    def ids(*words: str) -> list[str]:
        return [each["id"] for each in told("list", *words)["batches"]]

    assert ids() == [row.id for row in reversed(rows)]
    assert ids("--limit", "1") == [rows[2].id]
    assert ids("--status", "open") == [rows[2].id, rows[1].id]
    assert ids("--status", "completed") == [rows[0].id]
    assert rows[0].id in batch("list").output
    assert "no such batch" in batch("list", "--status", "failed").output
    assert batch("list", "--key", "nobody").exit_code == 1

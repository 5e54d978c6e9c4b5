"""``batch show``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from batching import batch_row, file_row, part_rows
from click.testing import Result

from tokenworks.batches.kept import Kept, Made, Outcome, keep
from tokenworks.batches.recipes.recipe import Checked
from tokenworks.ledger.store import Store


def test_it_says_what_failed_and_what_was_made(
    store: Store, batch: Callable[..., Result], told: Callable[..., Any]
) -> None:
    row = batch_row(kind="translate", status="completed", max_cost_nano_usd=2_000_000_000)
    store.add_batch(row)
    parts = part_rows(row.id, 3)
    store.add_parts(row.id, parts)
    flagged = msgspec.json.encode(Outcome(Checked("x", ("short",))))
    store.settle_parts(
        row.id,
        [
            msgspec.structs.replace(parts[0], status="failed", tries=5, result=b'{"error":"HTTP 500 no"}'),
            msgspec.structs.replace(parts[1], status="done", result=flagged),
        ],
    )
    file = file_row(name="de.txt")
    store.add_file(file)
    store.finish_file(file.id, 7)
    keep(store, row.id, Kept(outputs=(Made(file.id, "de.txt", "text/plain"),)))
    said = batch("show", row.id).output
    for each in ("1 of 3 parts, 1 failed", "1 flagged", "at most $2.00", "de.txt  7 bytes", "HTTP 500 no"):
        assert each in said, each
    shown = told("show", row.id, "--parts")
    assert (shown["flagged"], [part["status"] for part in shown["all_parts"]]) == (
        *(1, ["failed", "done", "waiting"]),
    )
    assert shown["outputs"] == [{"id": file.id, "name": "de.txt", "bytes": 7}]
    assert batch("show", row.id, "--parts").exit_code == 2

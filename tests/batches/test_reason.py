"""Why a part failed, out of each shape of result."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from batching import batch_row, part_rows
from fresh_store import fresh_store

from tokenworks.batches.kept import Outcome
from tokenworks.batches.reason import WIDTH, flagged, why
from tokenworks.batches.recipes.recipe import Checked


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (Outcome(Checked(None, ("a number is lost", "too short"))), "a number is lost; too short"),
        (Outcome(error="HTTP 400\nno"), "HTTP 400 no"),
        ({"error": {"code": "invalid_line", "message": "line 3: no JSON"}}, "line 3: no JSON"),
        ({"response": {"status_code": 404, "body": {"error": {"message": "no model"}}}}, "HTTP 404 no model"),
        ({"response": {"status_code": 500, "body": "x"}}, "HTTP 500"),
        (Outcome(Checked("fine")), ""),
        ([1], ""),
    ],
)
def test_it_is_one_line(told: object, reason: str) -> None:
    assert why(msgspec.json.encode(told)) == reason


def test_it_is_cut_and_never_breaks() -> None:
    assert len(why(msgspec.json.encode({"error": "x" * 999}))) == WIDTH
    assert why(b"") == why(b"{") == ""


def test_what_is_kept_though_wrong_is_counted(tmp_path: Path) -> None:
    store = fresh_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    row = batch_row(kind="translate")
    store.add_batch(row)
    store.add_parts(row.id, part_rows(row.id, 4))
    results = [Outcome(Checked(1)), Outcome(Checked(1, ("short",))), Outcome(Checked(None, ("empty",)))]
    store.settle_parts(
        row.id,
        [
            *(
                msgspec.structs.replace(part, status="done", result=msgspec.json.encode(result))
                for part, result in zip(part_rows(row.id, 3), results, strict=True)
            ),
            part_rows(row.id, 4, status="failed", result=msgspec.json.encode(Outcome(error="no")))[3],
        ],
    )
    assert flagged(store, row) == 2
    assert flagged(store, batch_row()) == 0
    store.close()

"""``batch results``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from batching import batch_row, file_row
from click.testing import Result

from tokenworks.batches.kept import Kept, Made, keep
from tokenworks.ledger.store import Store


def test_files_are_written_into_a_folder(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    store: Store,
    batch: Callable[..., Result],
    told: Callable[..., Any],
) -> None:
    monkeypatch.chdir(tmp_path)
    row = batch_row(kind="translate")
    store.add_batch(row)
    refused = batch("results", row.id)
    assert refused.exit_code == 1 and "in_progress and has made no files yet" in refused.output
    assert list(tmp_path.iterdir()) == []
    file = file_row(name="de.txt")
    store.add_file(file)
    store.append_file(file.id, 0, b"Hallo")
    store.finish_file(file.id, 5)
    keep(store, row.id, Kept(outputs=(Made(file.id, "../deep/de.txt", "text/plain", "1 flagged"),)))
    shown = told("results", row.id)["files"]
    folder = f"translate-{row.id.removeprefix('batch_')[:8]}"
    assert [each["file"] for each in shown] == [f"{folder}/deep/de.txt"]
    assert (tmp_path / folder / "deep" / "de.txt").read_bytes() == b"Hallo"
    said = batch("results", row.id, "--out", "here").output
    assert said == "here/deep/de.txt  5 bytes  (1 flagged)\n"

"""What a batch has made: which files, and how they come to a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import msgspec

from tokenworks.batches.kept import Made, kept
from tokenworks.batches.recipes.kept_file import made
from tokenworks.ledger.batched import REQUESTS, BatchRow
from tokenworks.ledger.store import Store

JSONL = "application/jsonl"


class Result(msgspec.Struct, frozen=True):
    """One file that a batch has made."""

    id: str
    name: str  # relative, with "/" where it belongs into a folder
    kind: str  # media type
    bytes: int
    note: str = ""


def outputs(store: Store, row: BatchRow) -> list[Result]:
    """The files of ``row`` that are still kept, in the order in which they were made."""
    if row.kind == REQUESTS:
        listed = [Made(row.output_file_id, "", JSONL), Made(row.error_file_id, "", JSONL, "what failed")]
    else:
        found = kept(store, row.id)
        listed = list(found.outputs) if found is not None else []
    results = []
    for each in listed:
        file = store.file(each.file_id) if each.file_id else None
        if file is not None and file.done:
            results.append(Result(file.id, each.name or file.name, each.kind, file.bytes, each.note))
    return results


def write(store: Store, files: Sequence[Result], folder: Path) -> list[Path]:
    """Copy them into ``folder``; each is there whole or not at all. Raises ``OSError``."""
    paths = []
    for each in files:
        path = folder / inside(each.name)
        with made(path) as out:
            for chunk in store.read_file(each.id):
                out.write(chunk)
        paths.append(path)
    return paths


def inside(name: str) -> Path:
    """``name`` as a path that stays in its folder, whoever wrote it."""
    whole = PurePosixPath(name.replace("\\", "/").replace("\0", ""))
    steps = [step for step in whole.parts if step not in ("/", "..", ".")]
    return Path(*steps) if steps else Path("file")

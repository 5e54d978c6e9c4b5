"""Files that a batch writes: into the store, in chunks, under the same names when it is done again."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from tokenworks.batches.lines import error_line, output_line
from tokenworks.ledger.batched import CHUNK, DONE, BatchRow, FileRow, PartRow
from tokenworks.ledger.store import Store

OUTPUT = "batch_output"
PAGE = 500


def put(store: Store, batch: BatchRow, name: str, pieces: Iterable[bytes], expires_us: int | None) -> str:
    """Write a file of the batch's key; its id. Done again it is the same file."""
    digest = hashlib.sha256(f"{batch.id}.{batch.run}.{name}".encode()).hexdigest()
    row = FileRow(
        f"file-{digest[:24]}", batch.key_id, name, OUTPUT, 0, time.time_ns() // 1000, expires_us=expires_us
    )
    store.add_file(row)
    size = seq = 0
    for seq, chunk in enumerate(_chunks(pieces)):
        store.append_file(row.id, seq, chunk)
        size += len(chunk)
    store.finish_file(row.id, size)
    return row.id


def requests(store: Store, batch: BatchRow, ended: str, expires_us: int | None) -> tuple[str, str]:
    """The output and the error file of a batch of requests, each empty where it would have no line."""
    done = (output_line(part, ended) for part in parts(store, batch.id) if part.status == DONE)
    wrong = (error_line(part, ended) for part in parts(store, batch.id) if part.status != DONE)
    output = put(store, batch, f"{batch.id}_output.jsonl", done, expires_us) if batch.done else ""
    error = (
        put(store, batch, f"{batch.id}_error.jsonl", wrong, expires_us) if batch.done < batch.total else ""
    )
    return output, error


def of_file(file: Path) -> Iterator[bytes]:
    """What a file on the disk holds."""
    with file.open("rb") as source:
        while chunk := source.read(CHUNK):
            yield chunk


def parts(store: Store, batch_id: str) -> Iterator[PartRow]:
    """All of them in order, a page at a time."""
    last = -1
    while rows := store.parts(batch_id, after_seq=last, limit=PAGE):
        yield from rows
        last = rows[-1].seq


def _chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= CHUNK:
            yield bytes(held[:CHUNK])
            del held[:CHUNK]
    if held:
        yield bytes(held)

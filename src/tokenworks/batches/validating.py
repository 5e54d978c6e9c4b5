"""The first step of a batch of requests: the lines of its file become its parts.

Lines are read as the store gives them and kept a thousand at a time, fewer where they are long, so a file of
any size takes little memory. Begun again after a crash it does the same again, and parts that are there stay
as they are.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec

from tokenworks.batches.lines import MAX_LINE, NOTHING, BadLine, read_line, refused, split_lines
from tokenworks.ledger.batched import FAILED, IN_PROGRESS, VALIDATING, BatchRow, PartRow
from tokenworks.ledger.store import Store

MAX_LINES = 50_000
AT_ONCE = 1000  # lines
AT_ONCE_BYTES = 2 << 20
BAD_LINE = "invalid_line"


def validate(
    store: Store, batch: BatchRow, *, max_lines: int = MAX_LINES, max_line: int = MAX_LINE
) -> BatchRow | None:
    """Make parts of the lines of ``batch``; it is "in_progress" then, or "failed" with the reason.

    None where somebody cancelled or paused it meanwhile. A line that is wrong is a part that has failed.
    """
    (file_id,) = batch.input_files
    file = store.file(file_id)
    if file is None or not file.done:
        return _fail(store, batch, "the input file is not there any more; upload it again")
    count = sum(1 for _ in split_lines(store.read_file(file_id), max_line))
    if count == 0:
        return _fail(store, batch, "the input file is empty; it needs one request in each line")
    if count > max_lines:
        return _fail(store, batch, f"{count:,} lines; a batch takes {max_lines:,}: make several files")
    bad, first = 0, ""
    for rows in _chunks(_parts(store, batch, file_id, max_line)):
        now = store.batch(batch.id)
        if now is None or now.status != VALIDATING:
            return None
        store.add_parts(batch.id, [msgspec.structs.replace(row, status="waiting") for row in rows])
        wrong = [row for row in rows if row.status == FAILED]
        if wrong:
            store.settle_parts(batch.id, wrong)
            bad += len(wrong)
            first = first or _message(wrong[0])
    if bad == count:
        return _fail(store, batch, f"none of its {count:,} lines is a request; {first}")
    return store.update_batch(
        batch.id, status=IN_PROGRESS, expected=(VALIDATING,), started_us=time.time_ns() // 1000
    )


def _fail(store: Store, batch: BatchRow, note: str) -> BatchRow | None:
    now_us = time.time_ns() // 1000
    return store.update_batch(batch.id, status=FAILED, note=note, expected=(VALIDATING,), finished_us=now_us)


def _parts(store: Store, batch: BatchRow, file_id: str, max_line: int) -> Iterator[PartRow]:
    seen: dict[str, int] = {}  # custom_id → number of its line
    # Parts are numbered without gaps, for they are shared out by their numbers; blank lines are none.
    for seq, (number, line) in enumerate(split_lines(store.read_file(file_id), max_line)):
        try:
            if line is None:
                raise BadLine(f"longer than {max_line >> 20} MiB")
            wanted = read_line(line, batch.endpoint)
            earlier = seen.setdefault(wanted.custom_id, number)
            if earlier != number:
                raise BadLine(
                    f"custom_id stands in line {earlier} as well; each needs its own", wanted.custom_id
                )
        except BadLine as error:
            result = refused(BAD_LINE, f"line {number}: {error}")
            yield PartRow(batch.id, seq, error.custom_id, status=FAILED, request=NOTHING, result=result)
        else:
            yield PartRow(batch.id, seq, wanted.custom_id, request=wanted.body)


def _chunks(parts: Iterator[PartRow]) -> Iterator[list[PartRow]]:
    rows: list[PartRow] = []
    size = 0
    for row in parts:
        rows.append(row)
        size += len(row.request)
        if len(rows) == AT_ONCE or size >= AT_ONCE_BYTES:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def _message(part: PartRow) -> str:
    return str(msgspec.json.decode(part.result)["error"]["message"])

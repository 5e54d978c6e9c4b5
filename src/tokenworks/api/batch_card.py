"""A batch as the API shows it: one object that the clients of two APIs read, and what it is of our own.

``status`` is always a word that those clients know; ``state`` is the same but for "paused", which they don't.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from tokenworks.api.answer import BOOLEAN, INTEGER, NUMBER, OBJECT, STRING, holding, maybe, usd
from tokenworks.batches.hours import off_peak_hours
from tokenworks.batches.lines import line_of
from tokenworks.batches.outputs import outputs
from tokenworks.errors import NotFound
from tokenworks.ledger.batched import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    EXPIRED,
    FAILED,
    FINALIZING,
    IN_PROGRESS,
    OVER,
    PAUSED,
    REQUESTS,
    VALIDATING,
    BatchRow,
    PartRow,
)
from tokenworks.ledger.store import Store

INLINE = "inline"  # in ``options``: its results are told with the batch
OUTPUT_EXPIRES = "output_expires_s"  # in ``options``: how long its output files are kept
AT_ONCE = 500  # parts read at a time
encode = msgspec.json.Encoder().encode
STATUSES = (VALIDATING, IN_PROGRESS, FINALIZING, COMPLETED, FAILED, EXPIRED, CANCELLING, CANCELLED)
COUNTS = holding(total=INTEGER, completed=INTEGER, failed=INTEGER)
BATCH = holding(
    id=STRING,
    object=STRING,
    endpoint=STRING,
    model=STRING,
    status={"type": "string", "enum": list(STATUSES)},
    state={"type": "string", "enum": [*STATUSES, PAUSED]},
    note=STRING,
    input_file_id=STRING,
    output_file_id=maybe(STRING),
    error_file_id=maybe(STRING),
    completion_window=STRING,
    created_at=INTEGER,
    expires_at=INTEGER,
    request_counts=COUNTS,
    usage=maybe(OBJECT),
    metadata=maybe(OBJECT),
    errors=maybe(OBJECT),
    recipe=maybe(STRING),
    max_cost=maybe(NUMBER),
    cost=NUMBER,
    not_before=maybe(INTEGER),
    before=maybe(INTEGER),
    off_peak=maybe(STRING),
)
OUTPUT = holding(id=STRING, name=STRING, kind=STRING, bytes=INTEGER, note=STRING)
FOUND = {
    **BATCH,
    "properties": {
        **BATCH["properties"],
        "results": maybe({"type": "array", "items": OBJECT}),
        "output_files": {"type": "array", "items": OUTPUT},
    },
}
PART = holding(
    seq=INTEGER,
    id=STRING,
    lane=STRING,
    status={"type": "string", "enum": ["waiting", "done", "failed"]},
    tries=INTEGER,
    model=STRING,
    input_tokens=INTEGER,
    output_tokens=INTEGER,
    cost=NUMBER,
    generation_id=STRING,
    result={},
)
LISTED = holding(object=STRING, data={"type": "array", "items": BATCH}, has_more=BOOLEAN)


def card(row: BatchRow) -> dict[str, Any]:
    """What is told of a batch without its results."""
    ended = _seconds(row.finished_us)
    status = IN_PROGRESS if row.status == PAUSED else row.status
    return {
        "id": row.id,
        "object": "batch",
        "endpoint": row.endpoint,
        "model": row.model,
        "provider": None,
        "status": status,
        "state": row.status,
        "note": row.note,
        "errors": _errors(row),
        "error": {"message": row.note} if row.status == FAILED else None,
        "input_file_id": row.input_files[0] if row.input_files else "",
        "input_files": list(row.input_files),
        "output_file_id": row.output_file_id or None,
        "error_file_id": row.error_file_id or None,
        "completion_window": "24h",  # the only one that clients know; ``expires_at`` tells
        "created_at": row.created_us // 1_000_000,
        "in_progress_at": _seconds(row.started_us),
        "expires_at": row.expires_us // 1_000_000,
        "finalizing_at": ended if row.status == COMPLETED else None,
        "finalized_at": ended,
        "completed_at": ended if row.status == COMPLETED else None,
        "failed_at": ended if row.status == FAILED else None,
        "expired_at": ended if row.status == EXPIRED else None,
        "cancelling_at": None,
        "cancelled_at": ended if row.status == CANCELLED else None,
        "request_counts": {"total": row.total, "completed": row.done, "failed": row.failed},
        "usage": _usage(row),
        "metadata": msgspec.Raw(row.metadata) if row.metadata not in (b"", b"{}") else None,
        "results": None,
        "recipe": None if row.kind == REQUESTS else row.kind,
        "options": None if row.kind == REQUESTS else msgspec.Raw(row.options),
        "max_cost": None if row.max_cost_nano_usd is None else usd(row.max_cost_nano_usd),
        "cost": usd(row.cost_nano_usd),
        "run": row.run,
        "not_before": _seconds(row.not_before_us or None),
        "before": _seconds(row.not_after_us),
        "off_peak": off_peak_hours(row) or None,
    }


def _seconds(time_us: int | None) -> int | None:
    return None if time_us is None else time_us // 1_000_000


def _errors(row: BatchRow) -> dict[str, Any] | None:
    """Why a whole batch failed; what single lines had wrong stands in its error file."""
    if row.status != FAILED:
        return None
    error = {"code": "invalid_batch", "message": row.note, "line": None, "param": None}
    return {"object": "list", "data": [error]}


def _usage(row: BatchRow) -> dict[str, Any] | None:
    """In the words of both APIs; None while nothing was asked. What was cached or reasoned isn't kept."""
    if not row.input_tokens and not row.output_tokens and not row.cost_nano_usd:
        return None
    return {
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "prompt_tokens": row.input_tokens,
        "completion_tokens": row.output_tokens,
        "total_tokens": row.input_tokens + row.output_tokens,
        "cost": usd(row.cost_nano_usd),
    }


def is_inline(row: BatchRow) -> bool:
    """Its requests came in the body that made it, so its results go with it."""
    return row.kind == REQUESTS and INLINE in msgspec.json.decode(row.options)


def with_results(store: Store, row: BatchRow) -> Iterator[bytes]:
    """The batch and its files as JSON, piece by piece; once it is over with results that go with it."""
    files = [msgspec.structs.asdict(each) for each in outputs(store, row)]
    shown = {**card(row), "output_files": files}
    if not is_inline(row) or row.status not in OVER:
        yield encode(shown)
        return
    del shown["results"]
    yield encode(shown)[:-1] + b',"results":['
    seq, comma = -1, b""
    while parts := store.parts(row.id, after_seq=seq, limit=AT_ONCE):
        yield comma + b",".join(_result(part, row.status) for part in parts)
        seq, comma = parts[-1].seq, b","
    yield b"]}"


def _result(part: PartRow, batch_status: str) -> bytes:
    """As in a file, but for two things that clients insist on.

    An answer that is an error stands as the error itself, and a choice has ``native_finish_reason``: null
    where the answer did not tell it.
    """
    told = msgspec.json.decode(line_of(part, batch_status))
    response = told["response"]
    body = response["body"] if response is not None else None
    fields = body if isinstance(body, dict) else {}
    if response is not None and part.status == FAILED:
        error = fields.get("error")
        error = error if isinstance(error, dict) else {}
        status = response["status_code"]
        told["response"] = None
        told["error"] = {
            "code": status,
            "message": str(error.get("message") or f"HTTP {status}"),
            "type": str(error.get("type") or "upstream_error"),
            "param": error.get("param"),
        }
    elif fields.get("object") == "chat.completion":
        for choice in fields.get("choices") or ():
            if isinstance(choice, dict):
                choice.setdefault("native_finish_reason", None)
    return encode(told)


def part_card(part: PartRow) -> dict[str, Any]:
    """What is told of a part."""
    return {
        "seq": part.seq,
        "id": part.id,
        "lane": part.lane,
        "status": part.status,
        "tries": part.tries,
        "model": part.model,
        "input_tokens": part.input_tokens,
        "output_tokens": part.output_tokens,
        "cost": usd(part.cost_nano_usd),
        "generation_id": part.generation_id,
        "result": msgspec.Raw(part.result) if part.result else None,
    }


def unknown() -> NotFound:
    """No batch that this key may see."""
    return NotFound("no batch of this key has that id; GET /v1/batches lists them")

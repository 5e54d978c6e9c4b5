"""What is wrong with parts: why one failed, how many are kept though not right."""

from __future__ import annotations

from typing import Any

import msgspec

from tokenworks.batches.kept import outcome_of
from tokenworks.ledger.batched import DONE, REQUESTS, BatchRow
from tokenworks.ledger.store import Store

WIDTH = 160  # characters


def why(result: bytes) -> str:
    """The reason that stands in a part's result, of a recipe or of a request."""
    try:
        told: Any = msgspec.json.decode(result)
    except msgspec.DecodeError:
        return ""
    if not isinstance(told, dict):
        return ""
    checked = told.get("checked") or {}
    problems = checked.get("problems") if isinstance(checked, dict) else None
    if problems:
        return _line("; ".join(map(str, problems)))
    error = told.get("error")
    if isinstance(error, dict):
        return _line(str(error.get("message", error)))
    if error:
        return _line(str(error))
    response = told.get("response")
    if isinstance(response, dict):
        body = response.get("body")
        inner = body.get("error") if isinstance(body, dict) else None
        message = inner.get("message", "") if isinstance(inner, dict) else ""
        return _line(f"HTTP {response.get('status_code', '')} {message}")
    return ""


def _line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


def flagged(store: Store, row: BatchRow) -> int:
    """Parts that are kept although something is still wrong with them; a recipe's files say which.

    Reads every part's result, so ask once, when it is over.
    """
    if row.kind == REQUESTS:
        return 0
    count, seq = 0, -1
    while parts := store.parts(row.id, after_seq=seq, status=DONE):
        count += sum(not kept.ok for part in parts if (kept := outcome_of(part).checked) is not None)
        seq = parts[-1].seq
    return count

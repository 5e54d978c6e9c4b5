"""A prompt and its answer for people, where they were captured."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import Any

import msgspec

from tokenworks.ledger.captured import CaptureRow
from tokenworks.ledger.store import Store

MAX_BODY = 8 << 20  # bytes of one capture when unpacked; what is kept is far less


class Turn(msgspec.Struct, frozen=True):
    """One message: who speaks, what it says, and the tools that it calls as (name, arguments)."""

    role: str
    text: str
    calls: tuple[tuple[str, str], ...] = ()


class Captured(msgspec.Struct, frozen=True):
    """What was kept, redacted."""

    turns: tuple[Turn, ...]
    answer: Turn
    refusal: str
    tools: tuple[str, ...]  # names of those that were offered
    media: int  # pictures and files that were left out
    redacted: int  # places where something was replaced
    consent: str  # "key" | "request" | "all": by whom
    expires_us: int


def captured(store: Store, record_id: str, time_us: int) -> Captured | None:
    """What is kept of the request with this id that began at ``time_us``; None: nothing."""
    after = 0
    while page := store.captures(time_us, time_us + 1, after, 100):
        for row in page:
            if row.id == record_id:
                return read(row)
        after = page[-1].seq
    return None


def read(row: CaptureRow) -> Captured | None:
    """The body of ``row``; None where it can't be read, as one of a later version."""
    try:
        body = json.loads(zlib.decompressobj().decompress(row.body, MAX_BODY))
        return _captured(body, row.expires_us) if isinstance(body, dict) else None
    except (zlib.error, ValueError, RecursionError):  # the last of what is nested too deeply
        return None


def _captured(body: dict[str, Any], expires_us: int) -> Captured:
    counts = body.get("redacted")
    return Captured(
        turns=tuple(_turn(each) for each in _dicts(body.get("messages"))),
        answer=Turn("assistant", _text(body.get("answer")), _calls(body.get("tool_calls"))),
        refusal=_text(body.get("refusal")),
        tools=tuple(_text(_dict(each.get("function")).get("name")) for each in _dicts(body.get("tools"))),
        media=int(media) if isinstance(media := body.get("media"), int) else 0,
        redacted=sum(n for n in counts.values() if isinstance(n, int)) if isinstance(counts, dict) else 0,
        consent=_text(body.get("consent")),
        expires_us=expires_us,
    )


def _turn(message: dict[str, Any]) -> Turn:
    return Turn(_text(message.get("role")), _text(message.get("content")), _calls(message.get("tool_calls")))


def _calls(value: object) -> tuple[tuple[str, str], ...]:
    functions = (_dict(each.get("function")) for each in _dicts(value))
    return tuple((_text(each.get("name")), _text(each.get("arguments"))) for each in functions)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, indent=1)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: object) -> Sequence[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []

"""Lines of batches: one request each in a file that came in, one answer each in a file that goes out.

    {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"model": ...}}
    {"id": "batch_req_...", "custom_id": "a", "response": {"status_code": 200, ...}, "error": null}

A line that is wrong fails alone, and what is said of it names its number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from tokenworks.ledger.batched import PartRow

ENDPOINTS = (
    "/v1/chat/completions",
    "/v1/messages",
    "/v1/responses",
    "/v1/completions",
    "/v1/embeddings",
)
MAX_LINE = 32 << 20  # bytes
MAX_CUSTOM_ID = 512  # characters
BOM = b"\xef\xbb\xbf"
NOTHING = (
    b"{}"  # the request of a part whose line was none: nobody can answer it, also when it is tried again
)

_Fields = dict[str, msgspec.Raw]
_encode = msgspec.json.Encoder().encode
_fields = msgspec.json.Decoder(_Fields).decode
_text = msgspec.json.Decoder(str).decode
_any = msgspec.json.Decoder().decode
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Wanted(msgspec.Struct, frozen=True):
    """What a line asks for."""

    custom_id: str
    body: bytes  # JSON object, as it stood there


class BadLine(Exception):
    """What is wrong with a line, and whose it is where it says so."""

    def __init__(self, message: str, custom_id: str = "") -> None:
        super().__init__(message)
        self.custom_id = custom_id


def split_lines(chunks: Iterable[bytes], max_line: int = MAX_LINE) -> Iterator[tuple[int, bytes | None]]:
    """Each line that is not blank with its number, from 1; None for one of more than ``max_line`` bytes.

    No more than two chunks and one line are held at a time.
    """
    number = size = 0
    held: list[bytes] = []  # pieces of the line that has begun; they are dropped when it is too long
    for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        for piece in whole:
            number += 1
            line = b"".join([*held, piece]) if size + len(piece) <= max_line else None
            held, size = [], 0
            yield from _shown(number, line)
        size += len(rest)
        if size > max_line:
            held = []
        elif rest:
            held.append(rest)
    if size:
        yield from _shown(number + 1, b"".join(held) if size <= max_line else None)


def _shown(number: int, line: bytes | None) -> Iterator[tuple[int, bytes | None]]:
    if line is not None:
        line = (line.removeprefix(BOM) if number == 1 else line).strip()
    if line != b"":
        yield number, line


def read_line(line: bytes, endpoint: str) -> Wanted:
    """What ``line`` asks of ``endpoint``. Raises BadLine."""
    try:
        given = _fields(line)
    except _NOT_JSON as error:
        raise BadLine(f"not a JSON object: {error}") from None
    custom_id = _custom_id(given)
    for name, value in (("method", "POST"), ("url", endpoint)):
        if name not in given or _value(given[name]) != value:
            raise BadLine(f"{name} must be {value!r}, as the batch has it", custom_id)
    if "body" not in given:
        raise BadLine("body is missing: the request itself", custom_id)
    return Wanted(custom_id, _body(given["body"], custom_id))


def _custom_id(given: _Fields) -> str:
    try:
        name = _text(given["custom_id"])
    except (KeyError, *_NOT_JSON):
        raise BadLine("custom_id must be a text that tells this request from all others") from None
    if not 0 < len(name) <= MAX_CUSTOM_ID or any(char < " " or char == "\x7f" for char in name):
        raise BadLine(f"custom_id must have 1 to {MAX_CUSTOM_ID} characters that can be printed")
    return name


def _body(raw: msgspec.Raw, custom_id: str) -> bytes:
    try:
        fields = _fields(raw)
    except _NOT_JSON:
        raise BadLine("body must be an object: the request itself", custom_id) from None
    model = _value(fields.get("model", msgspec.Raw(b"null")))
    if not isinstance(model, str) or not model:
        raise BadLine("body.model is missing; GET /v1/models lists what can be named", custom_id)
    if "stream" in fields and _value(fields["stream"]) not in (None, False):
        raise BadLine("body.stream can't be true in a batch; leave it out", custom_id)
    return bytes(raw)


def _value(raw: msgspec.Raw) -> Any:
    """What a field holds; None also where it is no JSON after all."""
    try:
        return _any(raw)
    except _NOT_JSON:
        return None


# --- what came of a part: ``PartRow.result``


def answered(status_code: int, request_id: str, body: bytes) -> bytes:
    """The result of a part that was answered, well or with an error; ``body`` is JSON, or shown as text."""
    try:
        _any(body)
    except _NOT_JSON:
        shown: msgspec.Raw | str = body.decode("utf-8", "replace")
    else:
        shown = msgspec.Raw(body)
    return _encode({"response": {"status_code": status_code, "request_id": request_id, "body": shown}})


def refused(code: str, message: str) -> bytes:
    """The result of a part that was never answered: why, in one line."""
    return _encode({"error": _error(code, message)})


def _error(code: str, message: str) -> dict[str, str | None]:
    return {"code": code, "message": message, "type": code, "param": None}


# Why a part has no result when its batch is over.
_UNSETTLED = {
    "expired": ("batch_expired", "the time of the batch was over before this was run"),
    "cancelled": ("batch_cancelled", "the batch was cancelled before this was run"),
}


def output_line(part: PartRow, batch_status: str = "") -> bytes:
    """One line of an output file, with its end. A part that waits says why by ``batch_status``."""
    return line_of(part, batch_status) + b"\n"


def error_line(part: PartRow, batch_status: str = "") -> bytes:
    """One line of an error file, with its end: the same shape, its ``response`` or its ``error`` tells."""
    return line_of(part, batch_status) + b"\n"


def line_of(part: PartRow, batch_status: str = "") -> bytes:
    """What came of ``part``, as one JSON object on one line."""
    result: _Fields = _fields(part.result) if part.result else {}
    if not result:
        reason = _UNSETTLED.get(batch_status, ("not_run", "the batch ended before this was run"))
        result = {"error": msgspec.Raw(_encode(_error(*reason)))}
    shown = {
        "id": f"batch_req_{part.batch_id.removeprefix('batch_')}{part.seq:08x}",
        "custom_id": part.id or None,
        "response": result.get("response"),
        "error": result.get("error"),
    }
    return _encode(shown).replace(b"\n", b" ")  # a body that was spread over lines: none within a string

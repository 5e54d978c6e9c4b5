"""How everything beside the hot paths answers, and what OpenAPI says of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from fastapi import Response

from tokenworks.schema import NANO_USD

Schema = dict[str, Any]

_encode = msgspec.json.Encoder().encode
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_US = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)

ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "code"],
            "properties": {
                "message": {"type": "string", "description": "one line that names the fix"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": "integer", "description": "the status again"},
                "metadata": {"type": "object"},
            },
        }
    },
}
_MEANING = {
    400: "The request is malformed or names an unknown model",
    401: "No key, or one that is not known",
    402: "A budget or wallet has too little left for this request",
    403: "This key may not do that",
    404: "There is no such thing",
    408: "The request did not arrive in time",
    413: "The body is too large",
    429: "A limit of this key is reached, or a provider limits the rate",
    431: "The headers are too large",
    502: "No provider gave a usable answer",
    503: "Draining, overloaded or starting an engine; Retry-After tells when",
    504: "No provider answered in time",
}


def send(value: Any, status: int = 200) -> Response:
    """``value`` as JSON."""
    return Response(_encode(value), status, media_type="application/json")


def errors(*statuses: int, schema: Schema = ERROR) -> dict[int | str, Any]:
    """What OpenAPI says of answers with these ``statuses``."""
    content = {"application/json": {"schema": schema}}
    return {str(status): {"description": _MEANING[status], "content": content} for status in statuses}


def answers(description: str, schema: Schema, *statuses: int, status: int = 200) -> dict[int | str, Any]:
    """``responses`` of a route: ``schema`` at ``status``, errors at ``statuses``."""
    content = {"application/json": {"schema": schema}}
    return {str(status): {"description": description, "content": content}, **errors(*statuses)}


def holding(**fields: Schema) -> Schema:
    """The schema of an object that has all these fields, and may have more."""
    return {"type": "object", "required": list(fields), "properties": fields}


def listing(item: Schema) -> Schema:
    """The schema of ``{"data": [...]}``."""
    return holding(data={"type": "array", "items": item})


OBJECT: Schema = {"type": "object"}
STRING: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
INTEGER: Schema = {"type": "integer"}
BOOLEAN: Schema = {"type": "boolean"}


def maybe(schema: Schema) -> Schema:
    """The same, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def iso(time_us: int | None) -> str | None:
    """A time as RFC 3339 in UTC, the year 9999 at most; None stays None."""
    if time_us is None:
        return None
    moment = _EPOCH + timedelta(microseconds=min(time_us, _LAST_US))
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def micros(moment: datetime) -> int:
    """A time with its zone as whole µs since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def usd(nano_usd: int) -> float:
    """Dollars."""
    return nano_usd / NANO_USD

"""Errors in the shape that clients of this wire read."""

from __future__ import annotations

import msgspec

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_encode = msgspec.json.Encoder().encode


def error_type(status: int) -> str:
    """The wire's own word for an HTTP status."""
    return _TYPES.get(status, "api_error")


def error_body(status: int, message: str, request_id: str | None = "") -> bytes:
    """The body of an error answer, and the data of an ``error`` event.

    An answer has a ``request_id``, None where there is none; an event has no such field (empty).
    """
    body: dict[str, object] = {"type": "error", "error": {"type": error_type(status), "message": message}}
    if request_id != "":
        body["request_id"] = request_id
    return _encode(body)

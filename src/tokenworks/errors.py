"""Every error a caller can meet, in one tree; wire bodies are rendered here and nowhere else.

Each class carries the HTTP ``status``, a stable machine-readable ``kind`` and whether the same
request may succeed when sent again (``retryable``). Nothing in this module does I/O.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

MAX_MESSAGE = 2000  # characters; what a message repeats of a request may be as long as that


class TokenworksError(Exception):
    """Base of the tree. ``str(error)`` is one line that names the fix where there is one."""

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, retry_after_s: float | None = None, **metadata: Any) -> None:
        if len(message) > MAX_MESSAGE:  # the fix stands at its end
            message = f"{message[: MAX_MESSAGE // 2]} ... {message[-MAX_MESSAGE // 4 :]}"
        message = " ".join(message.split()) if "\n" in message or "\r" in message else message
        super().__init__(message)
        self.message = message  # one line
        self.retry_after_s = retry_after_s
        self.metadata: dict[str, Any] = metadata
        self.head_lines = b""  # further complete header lines of the answer


class ConfigError(TokenworksError):
    """The configuration can't be used; raised at start, never while serving."""

    kind = "config_error"


class StoreError(TokenworksError):
    """The store is unreachable, full or of a version this program does not know."""

    status = 503
    kind = "store_error"
    retryable = True


class BadRequest(TokenworksError):
    status = 400
    kind = "invalid_request_error"


class UnknownModel(BadRequest):
    kind = "model_not_found"


class LoopStopped(BadRequest):
    """A session that runs away, or was stopped by hand. 400, for clients send 409 and 429 again."""

    kind = "loop_stopped"


class Unauthorized(TokenworksError):
    status = 401
    kind = "authentication_error"


class PaymentRequired(TokenworksError):
    """A budget or wallet has too little left. Clients don't send such a request again by themselves."""

    status = 402
    kind = "insufficient_credits"


class Forbidden(TokenworksError):
    status = 403
    kind = "permission_error"


class NotFound(TokenworksError):
    status = 404
    kind = "not_found"


class RequestTimeout(TokenworksError):
    """The caller was too slow in sending its request."""

    status = 408
    kind = "request_timeout"
    retryable = True


class TooLarge(TokenworksError):
    status = 413
    kind = "request_too_large"


class HeadersTooLarge(TokenworksError):
    status = 431
    kind = "headers_too_large"


class RateLimited(TokenworksError):
    status = 429
    kind = "rate_limit_error"
    retryable = True


class UpstreamError(TokenworksError):
    """An endpoint failed before anything reached the caller, and no other endpoint was left."""

    status = 502
    kind = "upstream_error"
    retryable = True


class UpstreamTimeout(UpstreamError):
    status = 504
    kind = "upstream_timeout"


class Unavailable(TokenworksError):
    """This server can't take the request now: draining, out of buffers, engine restarting."""

    status = 503
    kind = "unavailable"
    retryable = True


def openai_body(
    status: int, kind: str, message: str, *, param: str | None = None, metadata: dict[str, Any] | None = None
) -> bytes:
    """Error body in the shape that OpenAI's and OpenRouter's clients both read.

    ``code`` is always a number: OpenRouter's SDKs reject a string there.
    """
    error: dict[str, Any] = {"message": message, "type": kind, "param": param, "code": status}
    if metadata:
        error["metadata"] = metadata
    return json.dumps({"error": error}, separators=(",", ":"), ensure_ascii=False).encode()


def render(error: TokenworksError) -> bytes:
    """The JSON body of ``error`` in OpenAI/OpenRouter shape."""
    metadata = {k: v for k, v in error.metadata.items() if v is not None}
    return openai_body(error.status, error.kind, error.message, metadata=metadata or None)

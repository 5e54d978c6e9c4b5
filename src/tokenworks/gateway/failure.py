"""What a failed attempt means: may another endpoint be tried, and what does the caller hear?"""

from __future__ import annotations

from tokenworks.errors import BadRequest, RateLimited, TokenworksError, TooLarge, Unavailable, UpstreamError
from tokenworks.errors import UpstreamTimeout as Timeout
from tokenworks.wire.openai_chat.relay import error_message
from tokenworks.wire.peek import peek

# The request itself is at fault: another endpoint would refuse it too.
CALLERS_FAULT = (400, 413, 422)
_DID = {401: "refused our key", 402: "asks for payment", 403: "refused us", 404: "does not know this model"}


class Failure:
    """One failed attempt."""

    __slots__ = ("error", "final", "reason")

    def __init__(self, reason: str, error: TokenworksError, final: bool = False) -> None:
        self.reason = reason  # short, for the record: "acme:429"
        self.error = error  # for the caller, if no other endpoint is left
        self.final = final  # no other endpoint should be tried


def of_transport(provider: str, kind: str, detail: str, engine: str | None = None) -> Failure:
    """A call that got no usable answer at all. ``engine`` names the one of ours that was called."""
    error: TokenworksError
    if kind == "timeout":
        error = Timeout(f"{provider}: {detail}", provider_name=provider)
    elif engine is not None:  # it is being started again: the same request will be served then
        text = f"engine {engine} stopped while it was needed and is being restarted; send the request again"
        error = Unavailable(text, retry_after_s=1, provider_name=provider)
    else:
        said = " could not be reached" if kind == "connect" else ""
        error = UpstreamError(f"{provider}{said}: {detail}", provider_name=provider)
    return Failure(f"{provider}:{kind}", error)


def of_content(provider: str, detail: str) -> Failure:
    """An answer with a good status whose content is none."""
    return Failure(
        f"{provider}:garbage",
        UpstreamError(f"{provider} sent an unusable answer: {detail}", provider_name=provider),
    )


def of_status(provider: str, status: int, retry_after_header: bytes, body: bytes) -> Failure:
    """An answer whose status says no."""
    said = _said(body)
    retry_after = _seconds(retry_after_header)
    reason = f"{provider}:{status}"
    if status in CALLERS_FAULT:
        kind = TooLarge if status == 413 else BadRequest
        return Failure(reason, kind(said or f"{provider} refused the request", provider_name=provider), True)
    if status == 429:
        text = f"{provider} limits the rate: {said}" if said else f"{provider} limits the rate"
        return Failure(reason, RateLimited(text, retry_after_s=retry_after, provider_name=provider))
    if status in (503, 529):
        text = f"{provider} is overloaded: {said}" if said else f"{provider} is overloaded"
        return Failure(reason, Unavailable(text, retry_after_s=retry_after, provider_name=provider))
    if status in (408, 504):
        return Failure(reason, Timeout(f"{provider} timed out ({status})", provider_name=provider))
    what = {
        401: "refused our key",
        402: "asks for payment",
        403: "refused us",
        404: "does not know this model",
    }
    text = f"{provider} {what.get(status, 'failed')} (HTTP {status})" + (f": {said}" if said else "")
    return Failure(reason, UpstreamError(text, provider_name=provider))


def _said(body: bytes) -> str:
    """The message inside an error body of the usual shapes; empty for HTML and the like."""
    if not body.lstrip().startswith(b"{"):
        return ""
    try:
        fields = peek(body)
        found = fields.get("error") or fields.get("message") or fields.get("detail")
        return error_message(bytes(found)) if found is not None else ""
    except (BadRequest, ValueError):
        return ""


def _seconds(value: bytes) -> float | None:
    """A Retry-After in seconds. Not a date: the caller's own backoff is better than a guess at clocks."""
    try:
        return max(0.0, min(float(value), 86_400.0)) if value else None  # in this order NaN becomes 0
    except ValueError:
        return None

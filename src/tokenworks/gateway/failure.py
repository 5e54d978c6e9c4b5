"""What a failed attempt means: may another endpoint be tried, what does the caller hear, who is to blame?"""

from __future__ import annotations

import math

from tokenworks.errors import BadRequest, RateLimited, TokenworksError, TooLarge, Unavailable, UpstreamError
from tokenworks.errors import UpstreamTimeout as Timeout
from tokenworks.providers.target import Target
from tokenworks.wire.complaint import error_message
from tokenworks.wire.peek import peek

# The request itself is at fault: another endpoint would refuse it too.
CALLERS_FAULT = (400, 413, 422)
# Nobody at the provider has worked on it, or it is the key that is refused: another key may do.
OF_THE_KEY = ("rate_limited", "auth", "payment")
ASKS_FOR_REST = ("rate_limited", "overloaded")
_KINDS = {
    401: "auth",
    402: "payment",
    403: "auth",
    404: "missing",
    408: "timeout",
    429: "rate_limited",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
_WHAT = {401: "refused our key", 402: "asks for payment", 403: "refused us", 404: "does not know this model"}
RESTING = "resting"  # it was not even asked
MAX_ERROR_BODY = 64 * 1024  # bytes of an error's body that are read
KEY_REST_S = 30.0  # of one of several keys after a 429 that names no time


class Failure:
    """One failed attempt."""

    __slots__ = ("error", "final", "kind", "reason")

    def __init__(self, reason: str, error: TokenworksError, final: bool = False, kind: str = "") -> None:
        self.reason = reason  # short, for the record: "acme:429"
        self.error = error  # for the caller, if no other endpoint is left
        self.final = final  # no other endpoint of this model should be tried
        self.kind = kind  # what it says of the endpoint's health; empty: nothing


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
    return Failure(f"{provider}:{kind}", error, kind=kind)


def of_content(provider: str, detail: str) -> Failure:
    """An answer with a good status whose content is none."""
    return Failure(
        f"{provider}:garbage",
        UpstreamError(f"{provider} sent an unusable answer: {detail}", provider_name=provider),
        kind="garbage",
    )


def of_rest(provider: str, rest_s: float | None) -> Failure:
    """An endpoint that is not asked now: it asked for ``rest_s`` of peace itself, or has failed (None)."""
    error: TokenworksError
    if rest_s is not None:
        whole_s = math.ceil(rest_s)  # who comes back after that must not be too early
        text = f"{provider} limits the rate and asked to be left alone for {whole_s} s more"
        error = RateLimited(text, retry_after_s=whole_s, provider_name=provider)
    else:
        error = Unavailable(f"{provider} has failed again and again and rests", provider_name=provider)
    return Failure(f"{provider}:resting", error, kind=RESTING)


def of_status(provider: str, status: int, retry_after_header: bytes, body: bytes) -> Failure:
    """An answer whose status says no."""
    said = complaint(body)
    retry_after = _seconds(retry_after_header)
    reason = f"{provider}:{status}"
    if status in CALLERS_FAULT:
        kind = TooLarge if status == 413 else BadRequest
        return Failure(reason, kind(said or f"{provider} refused the request", provider_name=provider), True)
    health = _KINDS.get(status, "server_error")
    text = {
        "rate_limited": f"{provider} limits the rate",
        "overloaded": f"{provider} is overloaded",
        "timeout": f"{provider} timed out ({status})",
    }.get(health, f"{provider} {_WHAT.get(status, 'failed')} (HTTP {status})")
    if said:
        text = f"{text}: {said}"
    error: TokenworksError
    if health == "rate_limited":
        error = RateLimited(text, retry_after_s=retry_after, provider_name=provider)
    elif health == "overloaded":
        error = Unavailable(text, retry_after_s=retry_after, provider_name=provider)
    elif health == "timeout":
        error = Timeout(text, provider_name=provider)
    else:
        error = UpstreamError(text, provider_name=provider)
    return Failure(reason, error, kind=health)


def note(target: Target, key: str, failed: Failure, now: float) -> None:
    """Tell the endpoint's vitals and the key's what happened."""
    kind = failed.kind
    # Where nobody has answered, what the caller is told of when to come back is no wish of the endpoint's.
    rest_s = failed.error.retry_after_s if kind in ASKS_FOR_REST else None
    if kind == RESTING:
        return
    if not kind:  # the request was at fault, or nothing was sent
        target.vitals.released()
        return
    keyring = target.keyring
    if keyring is None or kind not in OF_THE_KEY:
        target.vitals.failed(kind, now, rest_s)
        return
    if kind == "rate_limited":
        keyring.cool(key, KEY_REST_S if rest_s is None else rest_s)
    else:
        keyring.reject(key)
    if keyring.usable():  # another key may fare well there
        target.vitals.released()
    elif rest_s is None:
        target.vitals.failed(kind, now)
    else:  # until the first of them is back
        failed.error.retry_after_s = math.ceil(keyring.wait_s())
        target.vitals.failed(kind, now, keyring.wait_s())


def complaint(body: bytes) -> str:
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

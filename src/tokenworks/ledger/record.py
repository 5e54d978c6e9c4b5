"""One finished request, as the ledger keeps it, and its encoding in journals and slots.

Encoding is by position (a msgpack array), so fields are only ever appended, always with a default:
a journal written by an older version decodes with the defaults, one by a newer version loses its tail.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

# Far above any real request and far below 64 bits, so that a hostile "usage" can neither stop the
# drainer nor overflow a sum: 9 million records at the limit still add up.
MAX_TOKENS = 10**12
MAX_COST_NANO_USD = 10**13  # $10,000 for one request
MAX_TIME_US = 10**17
MAX_SPAN_US = 10**12  # 11 days
MAX_SMALL = 10**6
MAX_CHARGE = 2**63 - 1
MAX_ENERGY_MJ = 10**12  # 278 kWh for one request
MAX_CARBON_UG = 10**12  # a tonne

MAX_PAYLOAD = 256 * 1024  # bytes of one encoded record; longer strings are cut

_Tokens = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)]
_Cost = Annotated[int, msgspec.Meta(ge=0, le=MAX_COST_NANO_USD)]
_Time = Annotated[int, msgspec.Meta(ge=0, le=MAX_TIME_US)]
_Span = Annotated[int, msgspec.Meta(ge=0, le=MAX_SPAN_US)]
_Small = Annotated[int, msgspec.Meta(ge=0, le=MAX_SMALL)]


class Record(msgspec.Struct, array_like=True, gc=False):
    """One request: who asked, who answered, what it used, what it cost.

    ``id`` is ``gen-<unix s>-<suffix>``, unique, at most 64 characters. Limits are checked when a
    record is decoded, not when it is made: making one is on the hot path.
    """

    id: str
    time_us: _Time  # start, unix µs
    key_id: str = ""
    app: str = ""
    session: str = ""
    user: str = ""
    kind: str = "chat"
    requested_model: str = ""
    model: str = ""
    provider: str = ""
    stream: bool = False
    status: _Small = 0  # HTTP status sent to the caller, 0 = nothing was sent
    outcome: str = ""  # ok upstream_error timeout client_gone bad_request denied killed shutdown queued
    finish_reason: str = ""
    attempts: _Small = 0
    reasons: str = ""  # what each attempt met, e.g. "acme:429 beta:ok"
    uncached_input_tokens: _Tokens = 0
    cache_read_tokens: _Tokens = 0
    cache_write_tokens: _Tokens = 0
    output_tokens: _Tokens = 0
    reasoning_tokens: _Tokens = 0  # part of output_tokens
    price_id: str = ""
    cost_nano_usd: _Cost = 0
    latency_us: _Span = 0
    ttft_us: _Span = 0  # time to the first token, 0 = not known
    estimated: bool = False  # tokens were not reported by who served them
    # What is counted against accounts (see ``limit_rows``): account, bucket, amount; account, bucket, ...
    # While a request is under way, what is reserved for it. Not a column: counted when it is stored.
    charges: tuple[int, ...] = ()
    sheet: bytes = b""  # more accounts, whose amounts follow from the record: see ``ledger.sheet``
    credits: Annotated[int, msgspec.Meta(ge=0, le=MAX_CHARGE)] = 0  # nano-credits of a plan, for ``sheet``
    decision: bytes = b""  # of a request for ``auto``: see ``ledger.decided``
    tool_calls: _Small = 0  # in the answer
    private: bool = False  # rankings may leave it out
    labels: bytes = b""  # what kind of work it is, of a sample of requests: see ``ledger.labelled``
    traceparent: str = ""  # of the caller's trace, as its header says (W3C); kept nowhere
    # Of a request that an own engine answered, as far as it is known.
    energy_mj: Annotated[int, msgspec.Meta(ge=0, le=MAX_ENERGY_MJ)] = 0  # millijoules
    carbon_ug: Annotated[int, msgspec.Meta(ge=0, le=MAX_CARBON_UG)] = 0  # µg of CO2 equivalent
    energy_basis: str = ""  # "measured" by counters, "estimated"; "" not known


_UNSTORED = frozenset(  # kept elsewhere when it is stored, or not at all: no columns
    {"charges", "sheet", "credits", "decision", "labels", "traceparent"}
)
FIELDS: tuple[str, ...] = tuple(name for name in Record.__struct_fields__ if name not in _UNSTORED)
LIMITS: dict[str, int] = {
    "time_us": MAX_TIME_US,
    "status": MAX_SMALL,
    "attempts": MAX_SMALL,
    "uncached_input_tokens": MAX_TOKENS,
    "cache_read_tokens": MAX_TOKENS,
    "cache_write_tokens": MAX_TOKENS,
    "output_tokens": MAX_TOKENS,
    "reasoning_tokens": MAX_TOKENS,
    "cost_nano_usd": MAX_COST_NANO_USD,
    "latency_us": MAX_SPAN_US,
    "ttft_us": MAX_SPAN_US,
    "tool_calls": MAX_SMALL,
    "credits": MAX_CHARGE,
    "energy_mj": MAX_ENERGY_MJ,
    "carbon_ug": MAX_CARBON_UG,
}
_FLAGS = frozenset({"stream", "estimated", "private"})
_BYTES = frozenset({"sheet", "decision", "labels"})
_REQUIRED = 2  # id, time_us

# What callers write goes first when a record must shrink; the id never does.
_CUT_FIRST = ("traceparent", "user", "session", "app", "reasons", "requested_model")
_CUT_LAST = ("model", "key_id", "provider", "price_id", "finish_reason", "energy_basis", "kind", "outcome")

ENCODER = msgspec.msgpack.Encoder()
# What ENCODER raises for an int beyond 64 bits, a lone surrogate, or an object that is no plain value.
ENCODE_ERRORS = (OverflowError, UnicodeEncodeError, TypeError)
DECODER = msgspec.msgpack.Decoder(Record)


def encode(record: Record) -> bytes:
    """msgpack of ``record``; never fails, whatever a hostile upstream put into it."""
    try:
        payload = ENCODER.encode(record)
    except ENCODE_ERRORS:
        payload = ENCODER.encode(scrubbed(record))
    return payload if len(payload) <= MAX_PAYLOAD else fit(record, MAX_PAYLOAD)


def decode(payload: bytes) -> Record:
    """The record in ``payload``; numbers beyond the limits are brought to them.

    Raises ``ValueError`` when it is no record at all.
    """
    try:
        return DECODER.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass  # a value out of its limits is salvaged below, anything else refused
    try:
        values = msgspec.msgpack.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not a record: {error}") from error
    if not isinstance(values, list) or len(values) < _REQUIRED or not isinstance(values[0], str):
        raise ValueError("not a record: an array that starts with an id was expected")
    return _build(values)


def scrubbed(record: Record) -> Record:
    """A copy whose every value can be stored: ints within their limits, strings of valid Unicode."""
    return _build(msgspec.structs.astuple(record))


def _build(values: Any) -> Record:
    clean: dict[str, Any] = {}
    for name, value in zip(Record.__struct_fields__, values, strict=False):
        if name in _FLAGS:
            clean[name] = bool(value)
        elif name in LIMITS:
            clean[name] = _number(value, LIMITS[name])
        elif name in _BYTES:
            clean[name] = value if isinstance(value, bytes) else b""
        elif name == "charges":
            clean[name] = _charges(value)
        else:
            text = value if isinstance(value, str) else "" if value is None else str(value)
            clean[name] = text.encode("utf-8", "replace").decode()
    return Record(**clean)


def _charges(values: Any) -> tuple[int, ...]:
    """Threes of whole numbers that a column can hold; what is not a full three is left out."""
    if not isinstance(values, list | tuple):
        return ()
    return tuple(_number(value, MAX_CHARGE) for value in values[: len(values) // 3 * 3])


def _number(value: Any, limit: int) -> int:
    try:
        return min(max(int(value), 0), limit)
    except OverflowError:  # infinity
        return limit if value > 0 else 0
    except (TypeError, ValueError):  # nothing a number can be made of
        return 0


def fit(record: Record, max_bytes: int) -> bytes:
    """msgpack of ``record`` in at most ``max_bytes``: strings are cut, the callers' own first.

    Raises ``ValueError`` when the id alone is too long for that.
    """
    short = scrubbed(record)
    payload = ENCODER.encode(short)
    if len(payload) > max_bytes and (short.decision or short.labels):
        short.decision = short.labels = b""
        payload = ENCODER.encode(short)
    for names in (_CUT_FIRST, _CUT_FIRST + _CUT_LAST):
        for length in (64, 24, 8, 0):
            if len(payload) <= max_bytes:
                return payload
            for name in names:
                setattr(short, name, getattr(short, name)[:length])
            payload = ENCODER.encode(short)
    if len(payload) > max_bytes:
        raise ValueError(
            f"record with an id of {len(record.id)} characters and {len(short.charges) // 3} charges"
            f" does not fit in {max_bytes} bytes"
        )
    return payload

"""A stream that was held back and told once more, with another cost than it said at first."""

from __future__ import annotations

from typing import Any

import msgspec

from tokenworks.schema import NANO_USD
from tokenworks.wire import sse
from tokenworks.wire.peek import MALFORMED

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_HOLDERS = ("message", "response")  # in which some events tell the usage


def with_cost(stream: bytes, cost_nano_usd: int) -> bytes:
    """``stream`` (of any wire, complete) whose usage tells this cost. What it cost more is put to the input.

    Where no cost is told, none is added.
    """
    if b'"cost"' not in stream:
        return stream
    events = []
    for event in sse.events(stream):
        data = sse.payload(event)
        if data is not None and b'"cost"' in data:
            event = sse.with_payload(event, _retold(data, cost_nano_usd))
        events.append(event)
    return b"".join(events)


def _retold(data: bytes, cost_nano_usd: int) -> bytes:
    try:
        told = _decode(data)
    except MALFORMED:
        return data
    if not isinstance(told, dict):
        return data
    for holder in (told, *(told.get(name) for name in _HOLDERS)):
        usage = holder.get("usage") if isinstance(holder, dict) else None
        if isinstance(usage, dict) and "cost" in usage:
            _charge(usage, cost_nano_usd)
    return _encode(told)


def _charge(usage: dict[str, Any], cost_nano_usd: int) -> None:
    usage["cost"] = cost_nano_usd / NANO_USD
    details = usage.get("cost_details")
    if not isinstance(details, dict):
        return
    details["upstream_inference_cost"] = usage["cost"]
    for side, other in (("prompt", "completions"), ("input", "output")):
        output = details.get(f"upstream_inference_{other}_cost")
        if isinstance(output, int | float):
            input_nano = cost_nano_usd - round(output * NANO_USD)
            details[f"upstream_inference_{side}_cost"] = input_nano / NANO_USD

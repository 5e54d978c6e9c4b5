"""What a provider's error says, whatever its shape."""

from __future__ import annotations

import msgspec

from tokenworks.wire.peek import MALFORMED

MAX_LENGTH = 500  # characters

_decode = msgspec.json.Decoder().decode


def error_message(error: bytes) -> str:
    """What an ``error`` value of any shape says, in one line."""
    try:
        value = _decode(error)
    except MALFORMED:
        value = error[:MAX_LENGTH].decode("utf-8", "replace")
    if isinstance(value, dict):
        value = value.get("message") or value
    return " ".join(str(value).split())[:MAX_LENGTH]

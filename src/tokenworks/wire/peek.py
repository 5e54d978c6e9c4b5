"""Look at the top level of a JSON body without building what is inside.

Values stay as the very bytes that were received (``msgspec.Raw``). The body is always encoded
anew from the result, so a key that stood twice reaches the upstream once, with the value that was
billed (the last one wins, as in every JSON library).
"""

from __future__ import annotations

import msgspec

from tokenworks.errors import BadRequest

Fields = dict[str, msgspec.Raw]

# What decoding raises: bad JSON, bad UTF-8 (only where a string is decoded), too many levels of nesting.
MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_BOM = b"\xef\xbb\xbf"
_decode = msgspec.json.Decoder(Fields).decode
_decode_str = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


def peek(body: bytes) -> Fields:
    """Top-level keys of the JSON object ``body`` with their undecoded values.

    Raises BadRequest, naming the position, when ``body`` is no JSON object.
    """
    if body.startswith(_BOM):
        body = body[3:]
    try:
        return _decode(body)
    except msgspec.ValidationError as error:
        raise BadRequest(f"the request body must be a JSON object: {error}") from None
    except RecursionError:
        raise BadRequest("the request body is nested too deeply") from None
    except MALFORMED as error:
        if not body.strip():
            raise BadRequest("the request body is empty; send a JSON object") from None
        raise BadRequest(f"the request body is not valid JSON: {error}") from None


def text(fields: Fields, key: str) -> str | None:
    """The string at ``key``; None when absent or null. Raises BadRequest for another type."""
    raw = fields.get(key)
    if raw is None:
        return None
    try:
        return _decode_str(raw)
    except MALFORMED:
        if bytes(raw) == b"null":
            return None
        raise BadRequest(f"'{key}' must be a string") from None


def flag(fields: Fields, key: str) -> bool:
    """The boolean at ``key``; False when absent or null. Raises BadRequest for another type."""
    raw = fields.get(key)
    if raw is None:
        return False
    value = bytes(raw)
    if value == b"true":
        return True
    if value in (b"false", b"null"):
        return False
    raise BadRequest(f"'{key}' must be true or false")


def raw(value: object) -> msgspec.Raw:
    """``value`` as an encoded JSON value that can be put into ``Fields``."""
    return msgspec.Raw(_encode(value))

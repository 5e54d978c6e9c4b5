"""What stands in a provider's messages, whole or in the events of a stream."""

from __future__ import annotations

from typing import Any

import msgspec

from tokenworks.wire.payloads import decoded
from tokenworks.wire.peek import MALFORMED

NULL = msgspec.Raw(b"null")


class Block(msgspec.Struct, gc=False):
    """A content block of any kind; ``type`` tells which of the fields it has."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = NULL


class StopDetails(msgspec.Struct, gc=False):
    explanation: str | None = None


class Ending(msgspec.Struct, gc=False):
    """``delta`` of any kind: a piece of a block, or how the message ended."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None


class Message(msgspec.Struct, gc=False):
    """A whole answer, or what an answer begins with."""

    type: str = ""
    content: list[Block] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL


class StreamEvent(msgspec.Struct, gc=False):
    """An event of any kind; ``type`` tells which of the fields it has."""

    type: str = ""
    index: int = 0
    delta: Ending | None = None
    content_block: Block | None = None
    message: Message | str | None = None
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL


_decode_text = msgspec.json.Decoder(str).decode


def arguments_of(given: msgspec.Raw) -> str:
    """A call's ``input`` as JSON text; empty for an empty one. Some send that text instead of the object."""
    data = bytes(given)
    text = decoded(_decode_text, data) if data.startswith(b'"') else data.decode()
    return "" if "".join(text.split()) in ("{}", "null") else text


_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def input_of(arguments: str) -> msgspec.Raw | dict[str, Any]:
    """A call's ``input`` for ``arguments``.

    It must be an object here: a text that is none stands in it as ``_raw``, so that the caller sees what
    the model wrote, and nothing passes for arguments that it did not write.
    """
    text = arguments.encode()
    try:
        _decode_object(text)
    except MALFORMED:
        return {"_raw": arguments} if arguments.strip() else {}
    return msgspec.Raw(text)

"""A request between two wires: what every protocol can say of a conversation, in one form.

A wire's ``request.read`` makes a ``Conversation`` of a caller's body, another wire's ``request.write``
makes the body that a provider gets. Content is a list of blocks, as the richest of the wires has it.
What only one wire knows stays in ``extra`` and is judged when it is written.
"""

from __future__ import annotations

import msgspec

from tokenworks.wire.peek import Fields

Json = msgspec.Raw  # a value that is passed on as it came


class Text(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Words. ``cache_ttl`` marks the end of a prefix worth caching: "5m", "1h", or empty for no mark."""

    text: str
    cache_ttl: str = ""


class Image(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A picture, by ``url`` or as base64 ``data`` of ``media_type``."""

    url: str = ""
    media_type: str = ""
    data: str = ""
    detail: str = ""  # "low" | "high" | "original"; empty is "auto"
    cache_ttl: str = ""


class File(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A document (PDF), by ``url`` or as base64 ``data`` of ``media_type``; or plain ``text``."""

    name: str = ""
    url: str = ""
    media_type: str = ""
    data: str = ""
    text: str = ""
    cache_ttl: str = ""


class Thinking(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Reasoning of the model, to be given back as it came.

    ``signature`` proves to its maker that ``text`` is unchanged. ``redacted`` is opaque data instead of
    text. ``id`` is the reasoning item's on a wire that has one. ``format`` tells whose signature or data
    it is, in the words of ``signature.py``; empty where that is unknown or nothing is signed.
    """

    text: str = ""
    signature: str = ""
    redacted: str = ""
    id: str = ""
    format: str = ""


class ToolUse(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The model calls a tool. ``arguments`` is the JSON text as the model wrote it, valid or not.

    ``signature`` is an opaque thought signature that must come back with the call.
    """

    id: str
    name: str
    arguments: str
    signature: str = ""
    cache_ttl: str = ""


class ToolResult(msgspec.Struct, frozen=True, gc=False, tag=True):
    """What a tool answered to the call ``id``. Its content bears no cache marks of its own."""

    id: str
    content: tuple[Text | Image | File, ...]
    is_error: bool = False
    cache_ttl: str = ""


def told(text: str, is_error: bool) -> str:
    """The text of a tool's result for a wire that can't say that it is an error."""
    return f"Error: {text}".rstrip() if is_error and not text[:5].lower().startswith("error") else text


def named(blocks: list[Text | Image | File], name: str) -> list[Text | Image | File]:
    """``blocks`` with the speaker's name before the first words, for a wire that has no place for it."""
    if not name or not blocks:
        return blocks
    first = blocks[0]
    if isinstance(first, Text):
        return [Text(f"{name}: {first.text}", first.cache_ttl), *blocks[1:]]
    return [Text(f"{name}:"), *blocks]


Block = Text | Image | File | Thinking | ToolUse | ToolResult


class Message(msgspec.Struct, frozen=True, gc=False):
    """``role`` is "user", "assistant" or, in the middle of a conversation, "system".

    Tool results stand in user messages, before any other block of them. ``name`` tells speakers apart.
    """

    role: str
    content: tuple[Block, ...]
    name: str = ""


class Tool(msgspec.Struct, frozen=True, gc=False):
    """A function that the model may call; ``parameters`` is its JSON schema, None where none was given.

    ``strict`` is True where the model must keep to the schema, otherwise None.
    """

    name: str
    description: str = ""
    parameters: Json | None = None
    strict: bool | None = None
    cache_ttl: str = ""


class ToolChoice(msgspec.Struct, frozen=True, gc=False):
    """``kind`` is "auto", "none", "required" or "tool" (the one called ``name``)."""

    kind: str
    name: str = ""


class Reasoning(msgspec.Struct, frozen=True, gc=False):
    """How much to think. None and empty mean: not said.

    ``effort`` is one of none, minimal, low, medium, high, xhigh, max. ``exclude``: think, but don't show.
    """

    enabled: bool | None = None
    effort: str = ""
    max_tokens: int | None = None
    exclude: bool = False
    summary: str = ""  # "auto" | "concise" | "detailed"


class Format(msgspec.Struct, frozen=True, gc=False):
    """What the answer must look like: ``kind`` is "text", "json_object" or "json_schema"."""

    kind: str
    name: str = ""
    schema: Json | None = None
    strict: bool | None = None
    description: str = ""


class Conversation(msgspec.Struct, frozen=True):
    """One request. ``model`` is the caller's word for it; None means: not said.

    ``extra`` holds the fields that only the caller's ``wire`` has, undecoded, by the name they have there.
    """

    model: str
    messages: tuple[Message, ...]
    system: tuple[Text, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    reasoning: Reasoning | None = None
    format: Format | None = None
    user: str = ""
    stream: bool = False
    extra: Fields = {}
    wire: str = ""  # "openai_chat", "anthropic_messages", ...: the caller's


class Maker(msgspec.Struct, frozen=True):
    """What must be known of an endpoint to write a request for it."""

    upstream_id: str  # what the provider calls the model
    max_output_tokens: int | None = None  # the most this endpoint gives
    quirks: frozenset[str] = frozenset()  # words of ``catalog/quirks.py``
    strict: bool = False  # refuse whatever can't be expressed, harmless or not

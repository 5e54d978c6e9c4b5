"""The messages of a request on the messages wire."""

from __future__ import annotations

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.wire import conversation as talk
from tokenworks.wire.anthropic_messages.content import (
    Block,
    Content,
    read_visible,
    write_visible,
)
from tokenworks.wire.cache_control import mark, ttl_of
from tokenworks.wire.call_id import plain
from tokenworks.wire.conversation import File, Image, Text, Thinking, ToolResult, ToolUse, named
from tokenworks.wire.parameters import malformed, said
from tokenworks.wire.peek import MALFORMED, Fields, raw
from tokenworks.wire.signature import MESSAGES, unsealed

# A line for the books of its maker that a client puts before its instructions. It differs with every
# request: passed on, it would defeat the cache of every other maker.
BOOKKEEPING = "x-anthropic-billing-header:"


class MessagesMessage(msgspec.Struct):
    role: str
    content: Content


_decode = msgspec.json.Decoder(list[MessagesMessage]).decode
_decode_system = msgspec.json.Decoder(Content | None).decode
_decode_object = msgspec.json.Decoder(Fields).decode


SHOWN = (Text, Image, File)

# --- reading ------------------------------------------------------------------------------------


def read_system(fields: Fields) -> tuple[Text, ...]:
    """``system``, without what is not meant for the model. Raises BadRequest when it is malformed."""
    system = said(fields, "system", _decode_system)
    if isinstance(system, str):
        system = [Block("text", text=system)]
    texts = [_only_text(block, "system") for block in system or ()]
    return tuple([text for text in texts if text.text and not text.text.startswith(BOOKKEEPING)])


def _only_text(block: Block, key: str) -> Text:
    if block.type != "text":
        raise BadRequest(f"'{key}' holds text only")
    return Text(block.text or "", ttl_of(block.cache_control))


def read_messages(given: msgspec.Raw) -> tuple[talk.Message, ...]:
    """``messages``. Raises BadRequest when they are malformed or hold what other wires don't have."""
    try:
        return tuple([_read_message(message) for message in _decode(given)])
    except MALFORMED as error:
        raise malformed("messages", error) from None


def _read_message(message: MessagesMessage) -> talk.Message:
    role, content = message.role, message.content
    if role not in ("user", "assistant", "system"):
        raise BadRequest(f"'messages': role '{role}' is unknown; it is user, assistant or system")
    if isinstance(content, str):
        return talk.Message(role, (Text(content),) if content else ())
    if role == "system":
        return talk.Message(role, tuple([_only_text(block, "messages") for block in content]))
    return talk.Message(role, _read_blocks(content))


def _read_blocks(content: list[Block]) -> tuple[talk.Block, ...]:
    blocks: list[talk.Block] = []
    for block in content:
        kind = block.type
        if kind == "tool_use":
            blocks.append(
                ToolUse(
                    block.id or "",
                    block.name or "",
                    bytes(block.input).decode(),
                    cache_ttl=ttl_of(block.cache_control),
                )
            )
        elif kind == "tool_result":
            blocks.append(_read_result(block))
        elif kind == "thinking":
            signature, format = unsealed(block.signature or "", MESSAGES)
            if block.thinking or signature:
                blocks.append(Thinking(block.thinking or "", signature, format=format))
        elif kind == "redacted_thinking":
            data, format = unsealed(block.data or "", MESSAGES)
            blocks.append(Thinking(redacted=data, format=format))
        else:
            blocks += read_visible(block)
    return tuple(blocks)


def _read_result(block: Block) -> ToolResult:
    given, ttl = block.content, ttl_of(block.cache_control)
    content: list[Text | Image | File] = []
    if isinstance(given, str):
        content = [Text(given)] if given else []
    elif given:
        for inner in given:
            ttl = ttl or ttl_of(inner.cache_control)
            inner.cache_control = None
            content += read_visible(inner)
    return ToolResult(block.tool_use_id or "", tuple(content), bool(block.is_error), ttl)


# --- writing ------------------------------------------------------------------------------------


def write_system(system: tuple[Text, ...]) -> str | list[Block] | None:
    """``system`` of a request; None where there is nothing to say."""
    blocks = write_visible(system)
    if len(blocks) == 1 and blocks[0].cache_control is None:
        return blocks[0].text
    return blocks or None


def write_messages(messages: tuple[talk.Message, ...]) -> list[MessagesMessage]:
    """``messages`` of a request.

    Left out are empty messages, and reasoning that is unsigned or of another maker. System messages
    become the user's. Raises BadRequest for what can't be said on this wire.
    """
    written: list[MessagesMessage] = []
    for message in messages:
        if message.role == "assistant":
            blocks = _write_assistant(message)
        elif message.role == "system":
            blocks = _write_instructions(message)
        else:
            blocks = _write_user(message)
        if blocks:
            written.append(MessagesMessage(message.role if message.role == "assistant" else "user", blocks))
    if written and written[-1].role == "assistant":
        _trim(written)
    return [_short(message) for message in written]


def _write_instructions(message: talk.Message) -> list[Block]:
    """Instructions amid a conversation, in tags that tell them from what the user said."""
    blocks = write_visible([block for block in message.content if isinstance(block, Text)])
    for block in blocks:
        block.text = f"<system>\n{block.text}\n</system>"
    return blocks


def _write_user(message: talk.Message) -> list[Block]:
    """Results first, as this wire demands."""
    results: list[Block] = []
    shown: list[Text | Image | File] = []
    for block in message.content:
        if isinstance(block, ToolResult):
            results.append(_write_result(block))
        elif isinstance(block, SHOWN):
            shown.append(block)
    return results + write_visible(named(shown, message.name))


def _write_result(result: ToolResult) -> Block:
    content = write_visible(result.content, marks=False)
    return Block(
        "tool_result",
        tool_use_id=plain(result.id),
        content=content[0].text if len(content) == 1 and content[0].type == "text" else content or None,
        is_error=result.is_error or None,
        cache_control=mark(result.cache_ttl),
    )


def _write_assistant(message: talk.Message) -> list[Block]:
    blocks: list[Block] = []
    for block in message.content:
        if isinstance(block, Text):
            blocks += write_visible([block])
        elif isinstance(block, ToolUse):
            blocks.append(_write_call(block))
        elif isinstance(block, Thinking):
            if block.format in ("", MESSAGES):
                if block.redacted:
                    blocks.append(Block("redacted_thinking", data=block.redacted))
                elif block.signature:
                    blocks.append(Block("thinking", thinking=block.text, signature=block.signature))
        else:
            raise BadRequest("'messages': images and files of the assistant can't be said to this model")
    return blocks


def _write_call(use: ToolUse) -> Block:
    return Block(
        "tool_use",
        id=plain(use.id),
        name=use.name,
        input=_arguments(use.arguments),
        cache_control=mark(use.cache_ttl),
    )


def _arguments(arguments: str) -> msgspec.Raw:
    """``arguments`` as the object that must stand here, whatever the model wrote."""
    if not arguments.strip():
        return msgspec.Raw(b"{}")
    try:
        _decode_object(arguments)
    except MALFORMED:
        return raw({"invalid_json": arguments})
    return msgspec.Raw(arguments)


def _trim(written: list[MessagesMessage]) -> None:
    """An answer that the model shall go on with must not end in white space."""
    blocks = written[-1].content
    if isinstance(blocks, list) and blocks[-1].text is not None:
        blocks[-1].text = blocks[-1].text.rstrip()


def _short(message: MessagesMessage) -> MessagesMessage:
    """A single text without a mark as a string."""
    blocks = message.content
    if len(blocks) == 1 and isinstance(blocks, list):
        only = blocks[0]
        if only.type == "text" and only.cache_control is None and only.text:
            message.content = only.text
    return message

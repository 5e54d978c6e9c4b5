"""The input of a request on the responses wire: items, of which several make up one message."""

from __future__ import annotations

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.wire.call_id import shortened
from tokenworks.wire.conversation import (
    Block,
    File,
    Image,
    Message,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    named,
    told,
)
from tokenworks.wire.openai_responses.content import (
    Content,
    Part,
    read_content,
    read_text,
    write_content,
    write_said,
)
from tokenworks.wire.openai_responses.custom_tool import arguments_of
from tokenworks.wire.openai_responses.namespace import joined
from tokenworks.wire.parameters import malformed
from tokenworks.wire.peek import MALFORMED
from tokenworks.wire.signature import RESPONSES, unsealed

LONGEST_ID = 64  # characters of a tool call's id


class Item(msgspec.Struct, omit_defaults=True, gc=False):
    """An item of any kind; ``type`` tells which of the fields it has."""

    type: str | None = None
    role: str | None = None
    content: Content = None
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    arguments: str | None = None
    input: str | None = None
    output: Content = None
    summary: list[Part] | None = None
    encrypted_content: str | None = None


_decode = msgspec.json.Decoder(str | list[Item]).decode


SHOWN = (Text, Image, File)

# --- reading ------------------------------------------------------------------------------------


def read_input(given: msgspec.Raw) -> tuple[tuple[Text, ...], tuple[Message, ...]]:
    """System texts from the head of ``input``, and its messages.

    What the model did in a row is one message, and so are the results of tools in a row with the user's
    message behind them. Raises BadRequest when it is malformed or holds what other wires don't have.
    """
    try:
        decoded = _decode(given)
    except MALFORMED as error:
        raise malformed("input", error) from None
    if isinstance(decoded, str):
        return (), (Message("user", (Text(decoded),) if decoded else ()),)
    reader = _Reader()
    for item in decoded:
        reader.take(item)
    reader.end()
    return tuple(reader.system), tuple(reader.messages)


class _Reader:
    __slots__ = ("messages", "results", "system", "turn")

    def __init__(self) -> None:
        self.system: list[Text] = []
        self.messages: list[Message] = []
        self.turn: list[Block] = []  # what the model does
        self.results: list[Block] = []  # of the tools it called

    def end(self) -> None:
        """Closes the message that is being gathered."""
        if self.turn:
            self.messages.append(Message("assistant", tuple(self.turn)))
            self.turn = []
        if self.results:
            self.messages.append(Message("user", tuple(self.results)))
            self.results = []

    def take(self, item: Item) -> None:
        kind = item.type or ("message" if item.role else "item_reference")
        if kind in ("function_call_output", "custom_tool_call_output"):
            if self.turn:
                self.end()
            self.results.append(_read_result(item))
        elif kind == "message" and item.role != "assistant":
            self._take_message(item)
        else:
            blocks = _read_done(item, kind)
            if self.results:
                self.end()
            self.turn += blocks

    def _take_message(self, item: Item) -> None:
        content = read_content(item.content)
        if self.turn:
            self.end()
        if item.role == "user":
            self.messages.append(Message("user", (*self.results, *content)))
            self.results = []
            return
        if item.role not in ("system", "developer"):
            raise BadRequest(f"'input': role '{item.role}' is unknown")
        texts = tuple([block for block in content if isinstance(block, Text)])
        if len(texts) < len(content):
            raise BadRequest("'input': system messages hold text only")
        self.end()
        if self.messages:
            self.messages.append(Message("system", texts))
        else:
            self.system += texts


def _read_result(item: Item) -> ToolResult:
    blocks = read_content(item.output)
    ttl = next((block.cache_ttl for block in blocks if block.cache_ttl), "")
    if ttl:
        blocks = tuple([msgspec.structs.replace(block, cache_ttl="") for block in blocks])
    return ToolResult(item.call_id or "", blocks, cache_ttl=ttl)


def _read_done(item: Item, kind: str) -> tuple[Block, ...]:
    """What the model did. Raises BadRequest for what only this wire knows."""
    if kind == "message":
        return read_content(item.content)
    if kind == "function_call":
        return (ToolUse(item.call_id or "", _called(item), item.arguments or ""),)
    if kind == "custom_tool_call":
        return (ToolUse(item.call_id or "", _called(item), arguments_of(item.input or "")),)
    if kind == "reasoning":
        text = read_text(item.summary) or read_text(item.content)
        opaque, format = unsealed(item.encrypted_content or "", RESPONSES)
        if not text and not opaque:
            return ()  # kept by its own provider, who is asked without it
        signature, redacted = (opaque, "") if text else ("", opaque)
        return (Thinking(text, signature, redacted, item.id or "", format),)
    raise BadRequest(f"'input': an item of type '{kind}' can't be said to the provider of this model")


def _called(item: Item) -> str:
    name = item.name or ""
    return joined(item.namespace, name) if item.namespace else name


# --- writing ------------------------------------------------------------------------------------


def write_input(messages: tuple[Message, ...], reasoning_text: bool) -> list[Item]:
    """``input`` of a request.

    Left out is reasoning that has no encrypted form or is of another maker; with ``reasoning_text`` the
    provider reads its plain text. Raises BadRequest for what can't be said on this wire.
    """
    items: list[Item] = []
    for message in messages:
        if message.role == "assistant":
            _write_turn(message, reasoning_text, items)
        elif message.role == "user":
            _write_user(message, items)
        else:
            texts = [block for block in message.content if isinstance(block, Text)]
            items.append(Item("message", "developer", write_content(texts)))
    return items


def _write_user(message: Message, items: list[Item]) -> None:
    shown: list[Text | Image | File] = []
    before = len(items)
    for block in message.content:
        if isinstance(block, ToolResult):
            items.append(_write_result(block))
        elif isinstance(block, SHOWN):
            shown.append(block)
    if shown or len(items) == before:
        items.append(Item("message", "user", write_content(named(shown, message.name))))


def _write_result(result: ToolResult) -> Item:
    output = write_content(result.content)
    if isinstance(output, str):
        output = told(output, result.is_error)
    elif not output:
        output = told("", result.is_error)
    elif result.is_error:
        output = [Part("input_text", text=told("", True)), *output]
    return Item("function_call_output", call_id=shortened(result.id, LONGEST_ID), output=output)


def _write_turn(message: Message, reasoning_text: bool, items: list[Item]) -> None:
    """Reasoning goes only before what it led to: alone it is refused."""
    pending: list[Item] = []
    texts: list[str] = []
    for block in message.content:
        if isinstance(block, Thinking):
            _write_texts(texts, items)
            pending += _write_reasoning(block, reasoning_text)
            continue
        items += pending
        pending.clear()
        if isinstance(block, Text):
            texts.append(block.text)
        elif isinstance(block, ToolUse):
            _write_texts(texts, items)
            arguments = block.arguments if block.arguments.strip() else "{}"
            call_id = shortened(block.id, LONGEST_ID)
            items.append(Item("function_call", call_id=call_id, name=block.name, arguments=arguments))
        else:
            raise BadRequest("'messages': images and files of the assistant can't be said to this model")
    _write_texts(texts, items)


def _write_texts(texts: list[str], items: list[Item]) -> None:
    if texts:
        items.append(Item("message", "assistant", write_said(texts)))
        texts.clear()


def _write_reasoning(block: Thinking, reasoning_text: bool) -> list[Item]:
    opaque = block.signature or block.redacted
    if opaque and block.format in ("", RESPONSES):
        summary = [Part("summary_text", text=block.text)] if block.text else []
        return [Item("reasoning", id=block.id or None, summary=summary, encrypted_content=opaque)]
    if reasoning_text and block.text:
        content = [Part("reasoning_text", text=block.text)]
        return [Item("reasoning", id=block.id or None, summary=[], content=content)]
    return []

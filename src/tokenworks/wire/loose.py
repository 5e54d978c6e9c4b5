"""The parts of a conversation read loosely: for decisions, where whoever is asked judges the request itself.

One struct has what a message of chat or Messages or an item of Responses may have, another what their blocks
may have. Whatever is of another type than it should be is passed over, nothing raises, and values that need
not be known stay undecoded.
"""

from __future__ import annotations

import msgspec

from tokenworks.wire.peek import MALFORMED

HEAD, TAIL = 3_000, 6_000  # characters kept of a longer result: how it begins and how it ends
ARGUMENTS = 2_000  # characters kept of a call's arguments

NOTHING = msgspec.Raw(b"null")


class Item(msgspec.Struct, gc=False):
    """A message of chat or Messages, or an item of Responses: what any of them may have."""

    type: object = None
    role: object = None
    content: msgspec.Raw = NOTHING
    tool_calls: msgspec.Raw = NOTHING
    tool_call_id: object = None
    call_id: object = None
    id: object = None
    name: object = None
    arguments: msgspec.Raw = NOTHING
    input: msgspec.Raw = NOTHING
    action: msgspec.Raw = NOTHING
    operation: msgspec.Raw = NOTHING
    output: msgspec.Raw = NOTHING
    error: msgspec.Raw = NOTHING
    status: object = None


class Block(msgspec.Struct, gc=False):
    """A block of a content, or a chunk of what a shell answered."""

    type: object = None
    text: object = None
    id: object = None
    name: object = None
    input: msgspec.Raw = NOTHING
    tool_use_id: object = None
    content: msgspec.Raw = NOTHING
    is_error: object = None
    stdout: object = None
    stderr: object = None
    return_code: object = None
    outcome: msgspec.Raw = NOTHING


class Function(msgspec.Struct, gc=False):
    """What a call of chat calls, and with what."""

    name: object = None
    arguments: msgspec.Raw = NOTHING
    input: msgspec.Raw = NOTHING  # of a custom tool


class Call(msgspec.Struct, gc=False):
    """One of the calls in a message of chat."""

    id: object = None
    function: Function | None = None
    custom: Function | None = None


class _Words(msgspec.Struct, gc=False):
    """Of a block no more than its words: several times as fast."""

    type: object = None
    text: object = None


_items = msgspec.json.Decoder(list[Item]).decode
_item = msgspec.json.Decoder(Item).decode
_blocks = msgspec.json.Decoder(str | list[Block] | None).decode
_block = msgspec.json.Decoder(Block).decode
_calls = msgspec.json.Decoder(list[Call]).decode
_words = msgspec.json.Decoder(str | list[_Words] | None).decode
_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
_any = msgspec.json.Decoder().decode


def items_of(value: msgspec.Raw) -> list[Item]:
    """The messages of a request; what is no list is one message of a user."""
    try:
        return _items(value)
    except MALFORMED:
        pass
    try:
        each = _raws(value)
    except MALFORMED:  # plain text stands for what the user says
        return [Item(role="user", content=value)]
    items = []
    for one in each:
        try:
            items.append(_item(one))
        except MALFORMED:
            continue
    return items


def content_of(value: msgspec.Raw) -> str | list[Block]:
    """A text or blocks; an empty list for anything else."""
    try:
        return _blocks(value) or []
    except MALFORMED:
        pass
    try:
        each = _raws(value)
    except MALFORMED:
        try:
            return [_block(value)]
        except MALFORMED:
            return []
    found = []
    for one in each:
        try:
            found.append(_block(one))
        except MALFORMED:
            continue
    return found


def texts_of(content: str | list[Block]) -> str:
    """The words of a content."""
    if isinstance(content, str):
        return content
    return "\n".join([block.text for block in content if isinstance(block.text, str)])


def result_text(value: msgspec.Raw) -> str:
    """The text of a tool's result, whatever shape its wire gives it."""
    content = content_of(value)
    if isinstance(content, str):
        return _cut(content, HEAD, TAIL)
    parts: list[str] = []
    for block in content:
        if isinstance(block.text, str):
            parts.append(block.text)
            continue
        code = block.return_code
        if code is None and block.outcome is not NOTHING:
            outcome = value_of(block.outcome)
            code = outcome.get("exit_code") if isinstance(outcome, dict) else None
            if isinstance(outcome, dict) and outcome.get("type") == "timeout":
                parts.append("command timed out")
        if isinstance(code, int):
            parts.append(f"Exit code: {code}")
        parts += [text for text in (block.stdout, block.stderr) if isinstance(text, str) and text]
        if block.content is not NOTHING:
            parts.append(texts_of(content_of(block.content)))
    text = "\n".join(parts)
    if not text and not content and bytes(value)[:1] == b"{":  # an object of the tool's own
        text = bytes(value).decode("utf-8", "replace")
    return _cut(text, HEAD, TAIL)


def _cut(text: str, head: int, tail: int) -> str:
    if len(text) <= head + tail:
        return text
    return f"{text[:head]}\n[{len(text) - head - tail} characters left out]\n{text[-tail:]}"


def value_of(value: msgspec.Raw) -> object:
    """The decoded value; None where it can't be."""
    try:
        return _any(value)
    except MALFORMED:
        return None


def words_of(value: msgspec.Raw) -> str:
    """The words of a content that is not decoded yet, when nothing else of it matters."""
    try:
        content = _words(value) or ""
    except MALFORMED:
        return texts_of(content_of(value))
    if isinstance(content, str):
        return content
    return "\n".join([block.text for block in content if isinstance(block.text, str)])


def calls_of(value: msgspec.Raw) -> list[Call]:
    """The tool calls of a message of chat."""
    try:
        return _calls(value)
    except MALFORMED:
        return []


def arguments_of(value: msgspec.Raw) -> str:
    """JSON text, whether it stands as an object or as a text."""
    given = bytes(value)
    if given[:1] == b'"':
        text = value_of(value)
        return _cut(text, ARGUMENTS - 500, 500) if isinstance(text, str) else ""
    if value is NOTHING:
        return ""
    return _cut(given.decode("utf-8", "replace"), ARGUMENTS - 500, 500)


def word_of(value: object) -> str:
    """A text as it is; empty for anything else."""
    return value if isinstance(value, str) else ""

"""The last steps of a conversation, read from a request's body on any wire that carries one.

Only what is compared is decoded, and only from the end on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice

import msgspec

from tokenworks.plans.loops.step import Call, Step
from tokenworks.wire.parameters import ABSENT
from tokenworks.wire.peek import MALFORMED


class _Function(msgspec.Struct, gc=False):
    name: str = ""
    arguments: msgspec.Raw = ABSENT
    input: msgspec.Raw = ABSENT


class _ToolCall(msgspec.Struct, gc=False):
    function: _Function | None = None
    custom: _Function | None = None


class _Message(msgspec.Struct, gc=False):
    role: str = ""
    content: msgspec.Raw = ABSENT
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None


class _Block(msgspec.Struct, gc=False):
    """A content block, or an item on the responses wire; ``type`` tells which of the fields it has."""

    type: str | None = None
    role: str | None = None
    text: str | None = None
    name: str | None = None
    content: msgspec.Raw = ABSENT
    arguments: msgspec.Raw = ABSENT
    input: msgspec.Raw = ABSENT
    action: msgspec.Raw = ABSENT
    output: msgspec.Raw = ABSENT


class _Part:
    """One message or item: what it adds to a step."""

    __slots__ = ("asked", "calls", "mine", "opens", "results", "text")

    def __init__(self, mine: bool, opens: bool = False) -> None:
        self.mine = mine  # the model's
        self.opens = opens  # a step begins with it
        self.text: list[str] = []
        self.calls: list[Call] = []
        self.results: list[str] = []
        self.asked: list[str] = []


_THOUGHTS = ("thinking", "redacted_thinking", "reasoning")  # they differ each time and change nothing
_TEXT, _LIST, _OBJECT = b'"[{'  # what such values begin with

_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_message = msgspec.json.Decoder(_Message).decode
_decode_block = msgspec.json.Decoder(_Block).decode
_decode_str = msgspec.json.Decoder(str).decode


class Tail:
    """Steps at the end of a conversation, the newest first, each read when somebody asks for it.

    A step that nothing has answered yet is not among them. They end at the first message that a provider
    would complain of; where there is no conversation, there are none.
    """

    def __init__(self, fields: Mapping[str, msgspec.Raw], most: int) -> None:
        self._steps = _read(fields)
        self._known: list[Step] = []
        self._most = most

    def reaches(self, at: int) -> bool:
        """Is there a step with this index, below ``most``?"""
        return len(self.first(at + 1)) > at

    def first(self, count: int) -> list[Step]:
        """The last ``count`` steps of the conversation, or as many as there are."""
        known = self._known
        if len(known) < count:
            known += islice(self._steps, min(count, self._most) - len(known))
        return known[:count]

    def __getitem__(self, at: int) -> Step:
        return self._known[at]


def _read(fields: Mapping[str, msgspec.Raw]) -> Iterator[Step]:
    read: Callable[[msgspec.Raw], _Part | None] = _message
    given = fields.get("messages")
    if given is None:
        given, read = fields.get("input", ABSENT), _item
    if _kind(given) != _LIST:  # one message of the user
        return
    try:
        yield from _steps(map(read, reversed(_decode_list(given))))
    except MALFORMED:
        return


def _steps(parts: Iterator[_Part | None]) -> Iterator[Step]:
    """Steps of ``parts``, both the newest first."""
    done: list[_Part] = []  # what the model did, then ...
    answer: list[_Part] = []  # ... what that was answered
    later = False  # something came behind ``done``
    for part in parts:
        if part is None:
            continue
        if part.mine:
            done.append(part)
        if done and (part.opens or not part.mine):
            if later:
                yield _step(done, answer)
            later = True
            done, answer = [], []
        if not part.mine:
            answer.append(part)
            later = True
    if done and later:
        yield _step(done, answer)


def _step(done: list[_Part], answer: list[_Part]) -> Step:
    text = [text for part in reversed(done) for text in part.text]
    asked = [text for part in reversed(answer) for text in part.asked]
    calls = [call for part in done for call in part.calls]
    results = [result for part in (*done, *answer) for result in part.results]
    return Step("\n".join(text), calls, results, "\n".join(asked))


def _message(given: msgspec.Raw) -> _Part:
    """A message of chat completions or of the messages wire."""
    message = _decode_message(given)
    if message.role in ("tool", "function"):
        part = _Part(mine=False)
        part.results.append(_flat(message.content))
        return part
    mine = message.role == "assistant"
    part = _Part(mine, opens=mine)
    _take_content(part, message.content)
    functions = [call.function or call.custom for call in message.tool_calls or ()]
    for function in (*functions, message.function_call):
        if function is not None:
            part.calls.append(Call(function.name, _unquoted(function.arguments or function.input)))
    return part


def _item(given: msgspec.Raw) -> _Part | None:
    """An item of the responses wire; None for a thought."""
    item = _decode_block(given)
    kind = item.type or ("message" if item.role else "item_reference")
    if kind in _THOUGHTS:
        return None
    if kind == "message":
        mine = item.role == "assistant"
        part = _Part(mine, opens=mine)
        _take_content(part, item.content)
    elif kind.endswith("_output"):
        part = _Part(mine=False)
        part.results.append(_flat(item.output))
    else:
        part = _Part(mine=True)
        _take_done(part, item, kind, given)
    return part


def _take_content(part: _Part, content: msgspec.Raw) -> None:
    texts = part.text if part.mine else part.asked
    if _kind(content) == _TEXT:
        texts.append(_decode_str(content))
    for given in _decode_list(content) if _kind(content) == _LIST else ():
        block = _decode_block(given)
        kind = block.type or ""
        if block.text is not None:
            texts.append(block.text)
        elif kind.endswith("_result"):
            part.results.append(_flat(block.content))
        elif part.mine:
            _take_done(part, block, kind, given)
        else:
            texts.append(_as_text(given))


def _take_done(part: _Part, block: _Block, kind: str, given: msgspec.Raw) -> None:
    if kind in _THOUGHTS:
        return
    if kind.endswith(("_use", "_call")):
        arguments = block.arguments or block.input or block.action or given
        part.calls.append(Call(block.name or kind, _unquoted(arguments)))
        if block.output:  # of a tool that the provider runs
            part.results.append(_flat(block.output))
    else:
        part.results.append(_as_text(given))  # not known, so only the same when it is equal


def _flat(content: msgspec.Raw) -> str:
    """A result as one text; what is no text in it as JSON."""
    if _kind(content) == _TEXT:
        return _decode_str(content)
    if _kind(content) != _LIST:
        return _as_text(content)
    texts = []
    for given in _decode_list(content):
        text = _decode_block(given).text if _kind(given) == _OBJECT else None
        texts.append(_as_text(given) if text is None else text)
    return "\n".join(texts)


def _unquoted(arguments: msgspec.Raw) -> str | bytes:
    """A call's arguments: JSON inside a text, or the JSON itself."""
    return _decode_str(arguments) if _kind(arguments) == _TEXT else bytes(arguments)


def _kind(given: msgspec.Raw) -> int:
    return memoryview(given)[0] if given else 0


def _as_text(given: msgspec.Raw) -> str:
    return bytes(given).decode("utf-8", "replace")

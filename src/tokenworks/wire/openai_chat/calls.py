"""Tool calls of a stream of chat completions, put together from whatever pieces a provider sends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from tokenworks.wire.answer import BlockEnd, Event, ToolPiece, new_call_id
from tokenworks.wire.openai_chat.delta import Call, thought_signature

_encode = msgspec.json.Encoder().encode


class _Open:
    """A call under way. ``name`` is empty as long as it was not told; nothing is passed on until it is."""

    __slots__ = ("arguments", "block", "id", "name", "pending")

    def __init__(self, block: int) -> None:
        self.block = block
        self.id = ""  # the provider's
        self.name = ""
        self.pending = ""  # arguments that came before the name
        self.arguments = False  # some were passed on


class Calls:
    """Every call of one answer. ``begin`` gives the number of a new block.

    A call is found by its id where that is known, else by its index, else it is the last one. A new id at
    a known index is another call: some number all of them 0.
    """

    __slots__ = ("begin", "by_id", "by_index", "every")

    def __init__(self, begin: Callable[[list[Event]], int]) -> None:
        self.begin = begin
        self.every: list[_Open] = []
        self.by_index: dict[int, _Open] = {}
        self.by_id: dict[str, _Open] = {}

    def take(self, call: Call, out: list[Event]) -> None:
        """One element of ``tool_calls``."""
        function = call.function
        name = (function.name if function is not None else None) or ""
        arguments = _text(function.arguments) if function is not None else ""
        found = self._find(call, name)
        if found is None:
            found = _Open(self.begin(out))
            self.every.append(found)
        if call.index is not None:
            self.by_index[call.index] = found
        if call.id and not found.id:
            found.id = call.id
            self.by_id[call.id] = found
        signature = thought_signature(call.extra_content) if call.extra_content else ""
        if found.name:
            if arguments or signature:
                found.arguments = found.arguments or bool(arguments)
                out.append(ToolPiece(found.block, arguments, signature=signature))
            return
        found.pending += arguments
        if name:
            found.name = name
            self._open(found, out, signature)

    def end(self, out: list[Event]) -> None:
        """The answer is complete, and with it every call. A call without arguments has ``{}``."""
        for call in self.every:
            if not call.name:
                self._open(call, out, "")
            if not call.arguments:
                out.append(ToolPiece(call.block, "{}"))
            out.append(BlockEnd(call.block))
        self.every = []

    def _find(self, call: Call, name: str) -> _Open | None:
        if call.id and call.id in self.by_id:
            return self.by_id[call.id]
        if call.index is not None:
            found = self.by_index.get(call.index)
            return None if found is not None and call.id and found.id else found
        if call.id or name or not self.every:
            return None
        return self.every[-1]

    def _open(self, call: _Open, out: list[Event], signature: str) -> None:
        call.arguments = bool(call.pending)
        out.append(ToolPiece(call.block, call.pending, call.id or new_call_id(), call.name, signature))


def _text(arguments: str | dict[str, Any] | None) -> str:
    if isinstance(arguments, dict):
        return _encode(arguments).decode() if arguments else ""
    return arguments or ""

"""Usage as messages tell it: input that excludes what the cache saw, and counts that grow in a stream."""

from __future__ import annotations

import msgspec

from tokenworks.schema import Usage
from tokenworks.wire.peek import MALFORMED
from tokenworks.wire.usage import MAX_TOKENS


class _OutputDetails(msgspec.Struct, gc=False):
    thinking_tokens: int | None = None


class _Totals(msgspec.Struct, gc=False):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None


class _Counts(_Totals, gc=False):
    output_tokens_details: _OutputDetails | None = None


_decode = msgspec.json.Decoder(_Counts).decode
_decode_totals = msgspec.json.Decoder(_Totals).decode


class Tally:
    """The usage of one answer as told so far. What is told later stands over what was told earlier."""

    __slots__ = ("fresh", "output", "read", "thinking", "write")

    def __init__(self) -> None:
        self.fresh: int | None = None
        self.write = self.read = self.thinking = 0
        self.output: int | None = None

    def add(self, raw: bytes | msgspec.Raw) -> Usage | None:
        """Usage after one more ``usage`` object; None as long as no count was told that can be believed."""
        told = _read(raw)
        if told is not None:
            self._input(told)
            if told.output_tokens is not None:
                self.output = told.output_tokens
            if isinstance(told, _Counts) and told.output_tokens_details is not None:
                self.thinking = max(told.output_tokens_details.thinking_tokens or 0, 0)
        if self.fresh is None and self.output is None:
            return None
        output = self.output or 0
        return Usage(self.fresh or 0, self.read, self.write, output, min(self.thinking, output))

    def _input(self, told: _Totals) -> None:
        fresh, write, read = (
            mine if new is None else new
            for new, mine in (
                (told.input_tokens, self.fresh),
                (told.cache_creation_input_tokens, self.write),
                (told.cache_read_input_tokens, self.read),
            )
        )
        known = (self.fresh or 0) + self.write + self.read
        if known and not (fresh or write or read):
            return  # counts never fall: some have nothing but zeros at the end
        self.fresh, self.write, self.read = fresh, write or 0, read or 0


def _read(raw: bytes | msgspec.Raw) -> _Totals | None:
    told: _Totals
    try:
        told = _decode(raw)
    except MALFORMED:
        try:
            told = _decode_totals(raw)  # its details are in a form nobody has seen yet
        except MALFORMED:
            return None
    counts = (
        told.input_tokens,
        told.cache_creation_input_tokens,
        told.cache_read_input_tokens,
        told.output_tokens,
    )
    return told if all(0 <= (count or 0) <= MAX_TOKENS for count in counts) else None

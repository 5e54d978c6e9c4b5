"""A step: what a model did at one go, and what it was answered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import msgspec

from tokenworks.plans.loops.volatile import Masked, masked

NEW = 0.3  # of a text, at most, where it says nothing new
_PIECES = 64  # of a text that are looked for in others
_PIECE = 12  # characters: two words or three; as good for languages that put no spaces between words
# A call that waits or looks how far something is. The arguments count where they are short: a command,
# not a file that is written.
_WAITS = re.compile(rb"sleep|wait|poll|watch|status|progress", re.IGNORECASE)
_SHORT = 256  # bytes

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(order="deterministic").encode


class Call(NamedTuple):
    """A tool call; its arguments as they came, JSON or not."""

    name: str
    arguments: str | bytes

    def canonical(self) -> bytes:
        """The call, equal for arguments that mean the same: order of keys and white space don't count."""
        return self.name.encode("utf-8", "replace") + b"\n" + _canonical(self.arguments)


def _canonical(arguments: str | bytes) -> bytes:
    try:
        return _encode(_decode(arguments)) if arguments else b"{}"
    except (ValueError, OverflowError, RecursionError):  # no JSON, or numbers and texts beyond all bounds
        data = arguments.encode("utf-8", "replace") if isinstance(arguments, str) else arguments
        return b" ".join(data.split())


class Step:
    """What is compared is worked out when it is asked for: of most steps it never is."""

    def __init__(self, text: str, calls: list[Call], results: list[str], asked: str) -> None:
        self.text = text  # the model's
        self.calls = calls  # made in parallel, so their order means nothing
        self.results = results  # likewise
        self.asked = asked  # by the user, after it

    @cached_property
    def done(self) -> tuple[bytes, ...]:
        """Its calls in canonical form. Two steps with calls do the same when they call the same."""
        return tuple(sorted([call.canonical() for call in self.calls]))

    @cached_property
    def said(self) -> str:
        """The model's text, whatever its case and white space."""
        return _plain(self.text)

    @cached_property
    def wanted(self) -> str:
        """The user's text, likewise."""
        return _plain(self.asked)

    @cached_property
    def got(self) -> tuple[str, ...]:
        """Its results."""
        return tuple(sorted(self.results))

    @cached_property
    def got_masked(self) -> tuple[str, ...]:
        """Its results without what is volatile in them."""
        return tuple(sorted([each.text for each in self._masked]))

    @cached_property
    def lasted_s(self) -> float:
        """The durations in its results together."""
        return sum(each.lasted_s for each in self._masked)

    @cached_property
    def _masked(self) -> list[Masked]:
        return [masked(result) for result in self.results]

    @cached_property
    def wanted_masked(self) -> str:
        """The user's text without what is volatile in it."""
        return masked(self.wanted).text

    @cached_property
    def waits(self) -> bool:
        """Whether it waits for something, as far as names and short arguments tell."""
        return any(
            _WAITS.search(done if len(done) <= _SHORT else done[: done.index(b"\n")]) for done in self.done
        )

    def stood_in(self, texts: Sequence[str]) -> bool:
        """Does most of what the model said stand in one or another of ``texts`` of earlier steps?"""
        said = self.said
        if said in texts:
            return True
        starts = range(0, max(len(said) - _PIECE, 0) + 1, max(len(said) // _PIECES, 1))
        new = 0
        for at in starts:
            piece = said[at : at + _PIECE]
            new += all(piece not in text for text in texts)
            if new > NEW * len(starts):
                return False
        return True

    def same(self, other: Step, loosely: bool) -> bool:
        """Does it do the same as ``other``, with the same outcome? ``loosely``: but for what is volatile."""
        if len(self.calls) != len(other.calls) or len(self.results) != len(other.results):
            return False
        if {call.name for call in self.calls} != {call.name for call in other.calls}:
            return False
        if not self.calls and self.said != other.said:
            return False
        if not loosely:
            return self.wanted == other.wanted and self.got == other.got and self.done == other.done
        if self.done != other.done or self.wanted_masked != other.wanted_masked:
            return False
        return self.got == other.got or self.got_masked == other.got_masked


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())

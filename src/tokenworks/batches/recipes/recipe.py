"""The seam of every recipe: split → ask → check → learn → merge.

A recipe is pure but for reading its input files and writing its output files. Whoever runs it asks the
models, keeps what was answered, tries again and goes on after a crash: so every method must give the same for
the same arguments, and everything between them can be written as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import msgspec

Memory = dict[str, Any]  # of a lane: what its parts so far have taught, JSON


class Part(msgspec.Struct, frozen=True):
    """One piece of work. Parts of a lane come one after the other and share its memory, lanes side by side.

    ``id`` is unique in the job and sorts in the order of the input ("0003.00012").
    """

    id: str
    lane: str
    data: dict[str, Any]  # JSON
    input_tokens: int  # what asking for it is estimated to come to, once
    output_tokens: int


class Skipped(msgspec.Struct, frozen=True):
    """An input that can't be used, and why, in one line."""

    file: str
    reason: str


class Split(msgspec.Struct, frozen=True):
    """A job in pieces, in order."""

    parts: tuple[Part, ...]
    shared: dict[str, Any]  # what all parts need, JSON: options, a list of names, a schema
    skipped: tuple[Skipped, ...] = ()


class Ask(msgspec.Struct, frozen=True):
    """One request to a model, in the words of chat completions."""

    messages: tuple[dict[str, Any], ...]
    max_tokens: int | None = None
    temperature: float | None = None
    schema: dict[str, Any] | None = None  # JSON schema that the answer must fit


class Said(msgspec.Struct, frozen=True):
    """What a model answered."""

    text: str
    finish: str = "stop"
    model: str = ""


class Checked(msgspec.Struct, frozen=True):
    """What is kept of an answer (JSON), and what is wrong with it: one short line each.

    With problems it is asked for again, then of a stronger model; the least bad one is kept, flagged.
    """

    value: Any = None
    problems: tuple[str, ...] = ()
    unusable: int | None = None  # how much of it is of no use; None: as much as there are problems

    @property
    def ok(self) -> bool:
        """Nothing is wrong with it."""
        return not self.problems

    @property
    def badness(self) -> tuple[bool, int, int]:
        """The lowest is the best: what can't be used at all, how much of it can't, what is said of it."""
        count = len(self.problems)
        return self.value is None, count if self.unusable is None else self.unusable, count


def least_bad(tries: Sequence[Checked]) -> Checked:
    """The one to keep where none is good; the later of two that are as bad, for it knew of the faults."""
    return min(reversed(tries), key=lambda tried: tried.badness)


class Output(msgspec.Struct, frozen=True):
    """A file that was made."""

    file: str
    kind: str  # media type
    note: str = ""


class Recipe(Protocol):
    """One kind of job. ``options`` are words as the command line has them, each with its default."""

    name: ClassVar[str]
    summary: ClassVar[str]  # one line
    options: ClassVar[Mapping[str, str]]  # name → what it does, for --help
    suffixes: ClassVar[tuple[str, ...]]  # of files that it reads

    def split(self, files: Sequence[Path], options: Mapping[str, str]) -> Split:
        """The job in pieces. Raises ``BadRequest`` for options or inputs of which nothing can be made."""

    def ask(self, part: Part, shared: Mapping[str, Any], memory: Memory, tries: Sequence[Checked]) -> Ask:
        """The request for ``part``; ``tries`` are what earlier answers to it had wrong."""

    def check(self, part: Part, shared: Mapping[str, Any], memory: Memory, said: Said) -> Checked:
        """What an answer is worth."""

    def learn(self, part: Part, shared: Mapping[str, Any], memory: Memory, checked: Checked) -> Memory:
        """The memory of the lane after this part; a new one."""

    def merge(
        self, files: Sequence[Path], split: Split, results: Mapping[str, Checked], folder: Path
    ) -> list[Output]:
        """Write what came out into ``folder``; ``results`` by part, those that failed with their problems."""

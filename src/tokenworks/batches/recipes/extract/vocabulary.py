"""What the built-in schemas ask for and how documents print it: data in files beside this one."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tokenworks.batches.recipes.extract.figures import columns, plain
from tokenworks.errors import BadRequest

HEADING_ROWS = 2  # rows that one heading may be spread over
LONGEST_HEADING = 100  # characters


class Field(msgspec.Struct, frozen=True):
    """One figure that is asked for. ``labels``: lists of patterns, the better ones first."""

    name: str
    description: str
    labels: tuple[tuple[str, ...], ...]
    required: bool = False
    unit: str = "currency"  # or "per share"
    heads: bool = False  # patterns also see the heading that a row stands under
    never: tuple[str, ...] = msgspec.field(default=(), name="not")

    def rank(self, heading: str, label: str) -> int | None:
        """0 for a label of the best list; None for one that means something else. Both as of ``plain``."""
        whole = f"{heading}: {label}" if heading else label
        if any(_made(pattern).search(whole if self.heads else label) for pattern in self.never):
            return None
        for rank, patterns in enumerate(self.labels):
            for pattern in map(_made, patterns):
                if pattern.fullmatch(label) or (
                    (self.heads or ":" in pattern.pattern) and pattern.fullmatch(whole)
                ):
                    return rank
        return None


class Sum(msgspec.Struct, frozen=True):
    """``whole`` is ``first`` without ``less``, names of fields."""

    whole: str
    first: str
    less: str


class Kind(msgspec.Struct, frozen=True):
    """One built-in schema."""

    name: str
    title: str
    titles: tuple[str, ...]
    words: tuple[str, ...]  # patterns of which a page must hold all but one
    field: tuple[Field, ...]
    sum: tuple[Sum, ...] = ()


class Row(msgspec.Struct, frozen=True):
    """A row of a table: its label and the heading that it stands under, both as of ``plain``."""

    heading: str
    label: str
    figures: tuple[Any, ...]


def kinds() -> list[str]:
    """Names of the built-in schemas."""
    return sorted(file.stem.replace("_", "-") for file in Path(__file__).parent.glob("*.toml"))


@functools.lru_cache
def kind(name: str) -> Kind:
    """The built-in schema of that name. Raises ``BadRequest``."""
    if name not in kinds():
        raise BadRequest(f"no schema {name!r} is built in; use {', '.join(kinds())} or a file of JSON schema")
    text = (Path(__file__).parent / f"{name.replace('-', '_')}.toml").read_bytes()
    return msgspec.toml.decode(text, type=Kind)


def table(rows: Sequence[str]) -> list[Row]:
    """Each row with its label, its heading and its figures; same length and order as ``rows``."""
    found: list[Row] = []
    heading: list[str] = []
    open_ = False  # the row before was a heading too
    for text in rows:
        label, figures = columns(text)
        named = plain(label)
        if not figures and named and len(named) <= LONGEST_HEADING:
            heading = ([*heading, named] if open_ else [named])[-HEADING_ROWS:]
            open_ = not text.rstrip().endswith(":")
            found.append(Row("", named, ()))
            continue
        open_ = False
        found.append(Row(" ".join(heading), named, tuple(figures)))
    return found


@functools.lru_cache(maxsize=512)
def _made(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)

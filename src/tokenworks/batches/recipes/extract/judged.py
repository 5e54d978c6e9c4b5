"""One answer with what the checks found, and what answers are judged against."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tokenworks.batches.recipes.extract.sheet import Sheet

SAID = 80  # characters of a quote in a message


class Judged(msgspec.Struct):
    """One answer with what the checks found; ``value`` is in full units, numbers as decimal text."""

    field: str
    value: str | bool | None = None
    kind: str = "number"
    printed: str = ""
    unit: str = ""
    scale: str = ""
    currency: str = ""
    page: int | None = None
    quote: str = ""
    confidence: float = 0.0
    accepted: bool = False
    problems: list[str] = msgspec.field(default_factory=list)
    passed: list[str] = msgspec.field(default_factory=list)
    row: int | None = None  # of the page, from 0


class Grounds(msgspec.Struct, frozen=True):
    """What answers are judged against."""

    sheets: Mapping[int, Sheet]
    year: int | None  # the fiscal year that is wanted; None: the newest of each table
    scaled: bool  # somewhere in the document a scale is stated
    main: int | None = None  # of a user's schema: the page that has the most of its fields


def short(text: str) -> str:
    """``text`` as messages quote it."""
    text = " ".join(text.split())
    return f"“{text}”" if len(text) <= SAID else f"“{text[: SAID - 1]}…”"

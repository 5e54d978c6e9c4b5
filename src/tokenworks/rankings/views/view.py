"""What a view is, and what is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.rankings.books import Books
from tokenworks.rankings.periods import Period
from tokenworks.rankings.table import Column, Table

Audience = Literal["anyone", "admin"]
FILTERS = ("model", "author", "country", "weights", "provider", "app", "key", "team", "user")
UNKNOWN = "unknown"
WEIGHTS = ("open", "closed", UNKNOWN)
MAX_NAME = 256  # characters of what a view is narrowed to
PERSONAL = ("key", "team", "user")  # filters that tell of persons: for administrators


class Asked(msgspec.Struct, frozen=True):
    """One question to a view. ``private`` of False leaves private traffic out."""

    books: Books
    view: View
    period: Period
    top: int = 20
    private: bool | None = None
    source: str = ""
    where: Mapping[str, str] = {}


class View(msgspec.Struct, frozen=True):
    """One way to rank. ``filters`` are the names that it can be narrowed by."""

    name: str
    title: str
    audience: Audience
    columns: tuple[Column, ...]
    build: Callable[[Asked], Table]
    filters: tuple[str, ...] = ()
    charted: bool = False  # a chart of it over time can be drawn
    outside: bool = False  # outside sources can be ranked so
    dimension: str = ""  # of what is charted: what the cubes are grouped by,
    cubes: tuple[str, ...] = ()  # which these are, the first that can tell all that is asked,
    group: Callable[[Books, Any], str] = lambda _, value: str(value)  # and into which group a value belongs
    equal: Mapping[str, str] = {}  # what of the cube this is about

    def check(self, asked: Asked) -> None:
        """Raises BadRequest for what this view can't tell."""
        if asked.top < 1:
            raise BadRequest("top must be at least 1")
        if asked.source and not self.outside:
            raise BadRequest(
                f"outside sources don't know the {self.name} view; take model, author, country or weights"
            )
        known = OUTSIDE_FILTERS if asked.source else self.filters
        for name, value in asked.where.items():
            if name not in known:
                can = f"it can by {', '.join(known)}" if known else "leave it out"
                raise BadRequest(f"the {self.name} view can't be narrowed by {_shown(name)}; {can}")
            if not 0 < len(value) <= MAX_NAME or not _storable(value):
                raise BadRequest(f"{name}: a name is 1 to {MAX_NAME} characters that can be stored")
            if name == "weights" and value.lower() not in WEIGHTS:
                raise BadRequest(f"weights must be one of {', '.join(WEIGHTS)}")
            if name == "country" and value.lower() != UNKNOWN and len(value) != 2:
                raise BadRequest(f"country must be a code of two letters such as CN, or {UNKNOWN}")


OUTSIDE_FILTERS = ("model", "author", "country", "weights")


def _storable(text: str) -> bool:
    """Whether every store can hold it, and so compare with it."""
    return "\0" not in text and not any("\ud800" <= each <= "\udfff" for each in text)


def _shown(name: str) -> str:
    return name if len(name) <= 40 and name.isprintable() else "that"

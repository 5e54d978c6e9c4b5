"""Lists that a click on a column's head sorts: ``?sort=name``, or ``?sort=-name`` for the largest first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def ordered(
    lines: Sequence[T], columns: Mapping[str, Callable[[T], Any]], sort: str, default: str
) -> tuple[str, list[T]]:
    """By what they are sorted now, and the sorted lines. What is no column is as ``default``."""
    if sort.removeprefix("-") not in columns:
        sort = default
    key = columns[sort.removeprefix("-")]
    return sort, sorted(lines, key=key, reverse=sort.startswith("-"))


class Sheet:
    """One page of a list. Numbers begin at 1."""

    def __init__(self, count: int, number: int, size: int) -> None:
        self.count = count
        self.pages = max(1, -(-count // size))
        self.number = min(max(number, 1), self.pages)
        self._first = (self.number - 1) * size
        self._end = min(self._first + size, count)

    @property
    def span(self) -> slice:
        """Which lines are on it."""
        return slice(self._first, self._end)

    @property
    def first(self) -> int:
        """The number of its first line, 0 of an empty list."""
        return min(self._first + 1, self.count)

    @property
    def last(self) -> int:
        """The number of its last line."""
        return self._end

"""Lists that a click on a column's head sorts, and their pages."""

from __future__ import annotations

import pytest

from tokenworks.console.ordering import Sheet, ordered

COLUMNS = {"size": len, "text": str.casefold}


@pytest.mark.parametrize(
    ("sort", "now", "lines"),
    [
        ("size", "size", ["B", "a", "ccc"]),
        ("-size", "-size", ["ccc", "B", "a"]),  # what is equal keeps its order
        ("text", "text", ["a", "B", "ccc"]),
        ("", "-size", ["ccc", "B", "a"]),
        ("--text", "-size", ["ccc", "B", "a"]),
        ("__class__", "-size", ["ccc", "B", "a"]),
    ],
)
def test_lines_are_in_the_order_that_is_asked_for(sort: str, now: str, lines: list[str]) -> None:
    assert ordered(["B", "a", "ccc"], COLUMNS, sort, "-size") == (now, lines)


@pytest.mark.parametrize(
    ("count", "number", "told"),
    [
        (0, 1, (1, 1, 0, 0)),
        (1, 1, (1, 1, 1, 1)),
        (10, 1, (1, 1, 1, 10)),
        (11, 2, (2, 2, 11, 11)),
        (11, 99, (2, 2, 11, 11)),
        (11, -3, (2, 1, 1, 10)),
    ],
)
def test_pages(count: int, number: int, told: tuple[int, int, int, int]) -> None:
    sheet = Sheet(count, number, 10)
    assert (sheet.pages, sheet.number, sheet.first, sheet.last) == told
    assert len(range(count)[sheet.span]) == max(0, sheet.last - sheet.first + 1) * bool(count)

"""Characters with their places into rows, so that a row of a table is one line of text.

The order of characters in a file follows whoever drew it: rows of a table may come joined, or cell by
cell. Runs of characters on one height are told apart first, then those of the same height are put side by
side.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

SAME_ROW = 0.5  # of the smaller height: how far the middles of two runs of one row may be apart
GAP = 0.15  # of the height: a wider gap between two runs is a space
APART = 0.25  # of the height: a gap that is a blank though the file has none there
LOW = 0.1  # points: characters without any height count as so high
UPRIGHT = 0.5  # share of characters that must follow each other sideways, else the page is turned


class Char(NamedTuple):
    """One character; left, bottom, right, top in points from the page's lower left corner."""

    text: str
    left: float
    bottom: float
    right: float
    top: float


class _Run:
    __slots__ = ("bottom", "left", "right", "text", "top")

    def __init__(self, char: Char) -> None:
        self.text, self.left, self.bottom, self.right, self.top = char

    @property
    def middle(self) -> float:
        return (self.bottom + self.top) / 2

    @property
    def height(self) -> float:
        return max(self.top - self.bottom, LOW)


def rows(chars: Iterable[Char]) -> list[str]:
    """Lines of text from top to bottom. ``chars`` in the order of the file; blanks may have no size."""
    lines: list[list[_Run]] = []
    for run in sorted(_runs(chars), key=lambda run: -run.middle):
        near = lines[-1][0] if lines else None
        if near and abs(near.middle - run.middle) < SAME_ROW * min(near.height, run.height):
            lines[-1].append(run)
        else:
            lines.append([run])
    return [text for line in lines if (text := _joined(line))]


def is_upright(chars: Sequence[Char]) -> bool:
    """Do most characters stand beside the one before them? Not so on a page that is turned by 90°."""
    seen = [char for char in chars if not char.text.isspace()]
    pairs = list(itertools.pairwise(seen))
    sideways = sum(abs(b.left - a.left) >= abs(b.bottom - a.bottom) for a, b in pairs)
    return not pairs or sideways >= UPRIGHT * len(pairs)


def _runs(chars: Iterable[Char]) -> list[_Run]:
    found: list[_Run] = []
    run: _Run | None = None
    blank = False
    for char in chars:
        text, left, bottom, right, top = char
        if text in "\r\n":
            run = None
        elif text.isspace():
            blank = True
        else:
            if run is not None and _follows(run, left, bottom, top):
                apart = blank or left > run.right + APART * (run.top - run.bottom)
                run.text += " " + text if apart else text
                run.right = max(run.right, right)
                run.bottom, run.top = min(run.bottom, bottom), max(run.top, top)
            else:
                run = _Run(char)
                found.append(run)
            blank = False
    return found


def _follows(run: _Run, left: float, bottom: float, top: float) -> bool:
    """Does a character that starts at ``left`` go on with the run, on its height and right after it?"""
    height, other = run.top - run.bottom, top - bottom
    apart = abs(run.bottom + run.top - bottom - top) / 2
    if apart >= SAME_ROW * max(min(height, other), LOW):
        return False
    return run.right - max(height, other) < left < run.right + 2 * max(height, LOW)


def _joined(line: list[_Run]) -> str:
    line.sort(key=lambda run: run.left)
    text, end = "", line[0].left
    for run in line:
        gap = run.left - end > GAP * run.height
        text += (" " if text and gap else "") + run.text
        end = max(end, run.right)
    return " ".join(text.split())

"""A page as the checks see it: its rows, each with label, heading, columns, years and scale."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from tokenworks.batches.recipes.extract.figures import (
    DASHES,
    Figure,
    currency_of,
    head_years,
    is_head,
    stated_scale,
    years_in,
)
from tokenworks.batches.recipes.extract.vocabulary import table

_FOOTNOTES = re.compile(r"\(\d{1,2}\)( \(\d{1,2}\))*")
_CHANGE = re.compile(r"\bchange\b|%|\bvariance\b", re.IGNORECASE)
_CHANGE_LAST = re.compile(r"(?:19|20)\d\d(?!.*(?:19|20)\d\d).*(?:\bchange\b|%|\bvariance\b)", re.IGNORECASE)
_NOTE = re.compile(r"\bnotes?\b", re.IGNORECASE)
SPAN = 4  # rows that one quote may go over


class Sheet:
    """One page that the model saw; ``page`` counts from 1."""

    def __init__(self, page: int, rows: Sequence[str]) -> None:
        self.page = page
        self.rows = list(rows)
        self.table = table(rows)
        self._quotable = [quotable(row) for row in rows]

    def quoted(self, quote: str) -> list[int]:
        """Rows that hold ``quote``: the one it stands in, or the last of those that it goes over."""
        sought = quotable(quote)
        if not sought:
            return []
        inside = [i for i, row in enumerate(self._quotable) if sought in row]
        if inside:
            return inside
        found = []
        for i in range(len(self._quotable)):
            for span in range(2, SPAN + 1):
                part = self._quotable[i : i + span]
                joined = " ".join(part)
                if (
                    len(part) == span
                    and sought in joined
                    and sought not in " ".join(part[1:])
                    and sought not in " ".join(part[:-1])
                ):
                    found.append(i + span - 1)
        return found

    def scale(self, at: int) -> str:
        """The scale stated nearest above row ``at``; empty for none."""
        for i in range(at, -1, -1):
            if found := stated_scale(self._whole(i)):
                return found
        return ""

    def _whole(self, i: int) -> str:
        """Row ``i`` with the rows above it, where a bracket that it closes opened there."""
        text = self.rows[i]
        for above in reversed(self.rows[max(i - SPAN, 0) : i]):
            if text.count(")") <= text.count("("):
                break
            text = f"{above} {text}"
        return text if text.count(")") <= text.count("(") else self.rows[i]

    def years(self, at: int) -> list[int]:
        """Years of the columns of row ``at``; empty where no head names them."""
        return head_years(self.rows, at)

    def cells(self, at: int) -> tuple[list[int], list[Figure]]:
        """(years, figures) of row ``at``, one figure for each year; both empty where they don't fit together.

        A row has more figures than years where a column of notes stands before them, its label ends with
        some, or a column of changes follows.
        """
        years, found = self.years(at), list(self.table[at].figures)
        more = len(found) - len(years)
        if not years or more < 0:
            return [], []
        if not more:
            return years, found
        head = next((row for row in reversed(self.rows[:at]) if is_head(row) and len(years_in(row)) > 1), "")
        amounts = [figure for figure in found if not figure.percent]
        if len(amounts) == len(years):
            return years, amounts
        if _FOOTNOTES.fullmatch(" ".join(figure.text for figure in found[:more])):
            return years, found[more:]
        if _CHANGE.search(head):
            return (years, found[: len(years)]) if _CHANGE_LAST.search(head) else ([], [])
        label = self.rows[at][: found[0].start].rstrip().casefold()
        numbers = all(0 < f.value < 100 and f.text.isdigit() for f in found[:more])
        if label.endswith((" and", " of", " or", ",", "(note", " note")) or (numbers and _NOTE.search(head)):
            return years, found[more:]
        return [], []

    @functools.cached_property
    def currency(self) -> str:
        """The page's one currency, ISO 4217; empty where it shows none."""
        return currency_of("\n".join(self.rows))


def quotable(text: str) -> str:
    """``text`` so that quotes compare: small letters, one blank, dash and quotation mark, no money signs."""
    text = unicodedata.normalize("NFKC", text).casefold()
    for dash in DASHES:
        text = text.replace(dash, "-")
    for sign in "$€£¥|":
        text = text.replace(sign, " ")
    for sign in "’‘`´":
        text = text.replace(sign, "'")
    for sign in "“”":
        text = text.replace(sign, '"')
    text = text.replace("( ", "(").replace(" )", ")")
    return " ".join(text.split()).strip(' "')


def sheets(pages: Sequence[Mapping[str, Any]]) -> dict[int, Sheet]:
    """The pages of a part, {"page", "rows"}, by number."""
    return {entry["page"]: Sheet(entry["page"], entry["rows"]) for entry in pages}

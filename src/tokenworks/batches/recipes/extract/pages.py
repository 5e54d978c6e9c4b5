"""Which pages of a document hold the statement, or what a schema asks for? Told without any model.

A statement's page has its name near the top, the scale and the years of its columns, and below rows that
only such a statement has together: revenue, costs, income before taxes, taxes, net income, per share. What
looks like it betrays itself: five years are selected data, percentages and prose are discussion, quarters
and a parent alone have other heads, an index has page numbers for figures.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any

import msgspec

from tokenworks.batches.recipes.extract.documents import Document, names_of, opened
from tokenworks.batches.recipes.extract.fields import Leaf
from tokenworks.batches.recipes.extract.figures import columns, parted, plain, scale_of, years_in
from tokenworks.batches.recipes.extract.unreadable import Unreadable
from tokenworks.batches.recipes.extract.vocabulary import Field, Kind, kind, table
from tokenworks.batches.recipes.extract.wording import HALF, words_of

TOP = 16  # rows in which a page says what it is
LEAST = 6.0  # a page with a lower score is no statement
SURE = 10.0  # and one with a higher score surely is
APART = 3.0  # from the next best page, else either may be meant
CLOSELY = 5  # times as many pages are looked at closely as are wanted
STRAY = 4  # figures in lines of their own that a page may have: its number, a year
FIGURES = 8  # that a page must have to be looked at closely
TITLE_ROW = 120  # characters; a longer row is prose
_QUARTERS = re.compile(r"\b(?:three|six|nine) months ended|\bquarter(?:s|ly)?\b|\bq[1-4]\b", re.IGNORECASE)
_ALONE = re.compile(
    r"parent[- ]company only|condensed financial information of|\bschedule i\b|pro forma", re.IGNORECASE
)
_SELECTED = re.compile(r"selected (?:consolidated )?financial|discussion and analysis", re.IGNORECASE)
_INDEX = re.compile(r"^\W*index to|^\W*index\W*$", re.IGNORECASE)
_AMOUNT = re.compile(r"\d,\d{3}\b|\d\.\d\d\b")
_NOTES = re.compile(r"\b(?:see|refer to)\b.{0,40}\bnotes\b|integral part of th", re.IGNORECASE)
_OTHER = re.compile(
    r"statements? of (?:cash flows|comprehensive|stockholders|shareholders|changes in)|balance sheets?",
    re.IGNORECASE,
)


class Scored(msgspec.Struct, frozen=True):
    """How much a page looks like what is sought; ``page`` counts from 1."""

    page: int
    score: float
    why: str


class Found(msgspec.Struct, frozen=True):
    """Pages of a statement, in order; ``doubt`` says why they may be wrong, empty where it is clear."""

    pages: tuple[int, ...]
    doubt: str = ""


def find_pages(file: Path, kind_name: str = "income-statement") -> list[Scored]:
    """Pages of ``file`` that may hold the statement, best first. Raises ``Unreadable``, ``BadRequest``."""
    wanted = kind(kind_name)
    with opened(file) as document:
        return scored(document, wanted)


def scored(document: Document, wanted: Kind) -> list[Scored]:
    """Those pages that reach ``LEAST``, best first; of equals the earlier one. Raises ``Unreadable``."""
    worth = [page for page, text in enumerate(document.texts(), 1) if _worth(text, wanted.words)]
    found = [one for page in worth if (one := judge(page, _rows(document, page), wanted)).score >= LEAST]
    return sorted(found, key=lambda one: (-one.score, one.page))


def _worth(text: str, words: Sequence[str]) -> bool:
    """Is a close look worth its time? That takes a hundred times as long."""
    has = sum(re.search(word, text, re.IGNORECASE) is not None for word in words)
    return has >= len(words) - 1 and len(_AMOUNT.findall(text)) >= FIGURES


def _rows(document: Document, page: int) -> list[str]:
    """Lines of the page's text; its rows, which take longer, only where cells are lines of their own."""
    lines = [row for line in document.texts()[page - 1].splitlines() if (row := " ".join(line.split()))]
    alone = sum(not plain(label) and len(found) == 1 for label, found in map(columns, lines))
    beside = sum(len(found) >= 2 for _, found in map(columns, lines))
    return document.rows(page) if alone > beside + STRAY else lines


def judge(page: int, rows: Sequence[str], wanted: Kind) -> Scored:
    """The score of one page, with the signs that made it."""
    top = rows[:TOP]
    signs: list[tuple[str, float]] = []
    seen = fields_on(rows, wanted.field)
    signs.append((f"{len(seen)} rows of it", 1.0 * len(seen)))
    if any(is_title(row, wanted.titles) for row in top):
        signs.append(("its title", 4.0))
    if scale_of(top):
        signs.append(("a scale", 1.0))
    years = {year for row in top if len(row) <= TITLE_ROW for year in years_in(row)}
    signs.append(_of_years(len(years)))
    tabular = sum(len(columns(row)[1]) >= 2 for row in rows) / max(len(rows), 1)
    signs.append((f"{tabular:.0%} of rows with figures", 3.0 * tabular))
    if any(_NOTES.search(row) for row in rows[-6:]):
        signs.append(("refers to the notes", 1.0))
    signs += against(top, rows)
    told = [name for name, points in signs if points]
    return Scored(page, round(sum(points for _, points in signs), 3), ", ".join(told))


def against(top: Sequence[str], rows: Sequence[str]) -> list[tuple[str, float]]:
    """What speaks against a statement."""
    head = "\n".join(top)
    prose = sum(len(row) > TITLE_ROW for row in rows) / max(len(rows), 1)
    percents = sum(row.count("%") for row in rows)
    return [
        (f"{prose:.0%} prose", -6.0 * prose if prose > 0.1 else 0.0),
        ("percentages", -min(percents, 6) * 0.5 if percents > 2 else 0.0),
        ("quarters", -3.0 if _QUARTERS.search(head) else 0.0),
        ("of a parent alone or pro forma", -4.0 if _ALONE.search(head) else 0.0),
        ("selected data or discussion", -3.0 if _SELECTED.search(head) else 0.0),
        ("an index", -5.0 if any(_INDEX.search(row) for row in top) else 0.0),
        (
            "of another statement",
            -2.0 if any(len(r) <= TITLE_ROW and _OTHER.search(r) for r in top[:8]) else 0.0,
        ),
    ]


def _of_years(count: int) -> tuple[str, float]:
    if count > 3:
        return "more than three years", -2.0
    return (f"{count} years", 1.0) if count >= 2 else ("", 0.0)


def is_title(row: str, titles: Sequence[str]) -> bool:
    """Is ``row`` the name of the statement and nothing else? An entry of an index has its page besides."""
    text = plain(row)
    return any(re.fullmatch(pattern, text) for pattern in titles)


def fields_on(rows: Sequence[str], wanted: Sequence[Field]) -> set[str]:
    """Names of the fields of which ``rows`` have one with at least two figures."""
    found = [row for row in table([part for row in rows for part in parted(row)]) if len(row.figures) >= 2]
    return {f.name for f in wanted if any(f.rank(row.heading, row.label) is not None for row in found)}


def find_statement(document: Document, wanted: Kind) -> Found:
    """The statement: the best page, and the next where it goes on there. Raises ``Unreadable``."""
    found = scored(document, wanted)
    if not found:
        return Found(())
    first = found[0].page
    pages = [first]
    seen = fields_on(_rows(document, first), wanted.field)
    if first < len(document.texts()) and len(seen) < len(wanted.field):
        rows = _rows(document, first + 1)
        more = fields_on(rows, wanted.field) - seen
        if len(more) >= 2 and not any(_OTHER.search(row) for row in rows[:TOP]):
            pages.append(first + 1)
    doubt = ""
    rival = next((one for one in found if one.page not in pages), None)
    if found[0].score < SURE:
        doubt = f"page {first} may not be the {wanted.title.lower()}: it shows {found[0].why}"
    elif rival and found[0].score - rival.score < APART:
        doubt = f"page {rival.page} looks as much like the {wanted.title.lower()} as page {first}"
    return Found(tuple(pages), doubt)


def find_by_fields(document: Document, leaves: Sequence[Leaf], title: str, most: int) -> list[int]:
    """Up to ``most`` pages, the best first, that seem to hold most of a user's ``leaves``.

    Pages with its rare words are looked at closely; what counts then are rows with figures whose labels fit,
    and the schema's title near the top.
    """
    likely = _by_words(
        document.texts(),
        [{*leaf.words(), *words_of(" ".join((leaf.description, *leaf.labels)))} for leaf in leaves],
    )
    named = set(words_of(title))
    scores: list[tuple[float, int]] = []
    for words, page in likely[: most * CLOSELY]:
        rows = _rows(document, page)
        found = [row for row in table([part for row in rows for part in parted(row)]) if row.figures]
        fits = [
            max((leaf.fit(row.heading, row.label) for row in found), default=0.0)
            for leaf in leaves
            if leaf.type == "number"
        ]
        score = sum(one for one in fits if one > HALF) + words
        if named and any(named <= set(words_of(row)) for row in rows[:TOP] if len(row) <= TITLE_ROW):
            score += 1.0
        scores.append((-score, page))
    return [page for _, page in sorted(scores)[:most]]


def _by_words(texts: Sequence[str], wanted: Sequence[Set[str]]) -> list[tuple[float, int]]:
    """(0 to 1, page) of the pages with any of the words, best first; rare words count more."""
    bags = [set(words_of(text)) for text in texts]
    pages = Counter(word for bag in bags for word in bag)
    rare = {word: math.log(1 + len(texts) / count) for word, count in pages.items()}
    scores: list[tuple[float, int]] = []
    for page, bag in enumerate(bags, 1):
        score = 0.0
        for words in wanted:
            whole = sum(rare.get(word, 0.0) for word in words)
            score += (sum(rare[word] for word in words & bag) / whole) ** 2 if whole else 0.0
        if score:
            scores.append((score / len(wanted), page))
    return sorted(scores, key=lambda one: (-one[0], one[1]))


def pages_only(files: Sequence[Path], kind_name: str = "income-statement") -> dict[str, Any]:
    """{"files": [{"file", "pages": [1-based]}], "skipped": [{"file", "reason"}]}; no model is asked."""
    wanted = kind(kind_name)
    told: dict[str, Any] = {"files": [], "skipped": []}
    for file, name in zip(files, names_of(files), strict=True):
        try:
            with opened(file) as document:
                pages = list(find_statement(document, wanted).pages)
        except Unreadable as error:
            told["skipped"].append({"file": name, "reason": str(error)})
        else:
            told["files"].append({"file": name, "pages": pages})
    return told

"""Does the row that was cited mean what was asked for, and does no other row mean it more?"""

from __future__ import annotations

from decimal import Decimal

from tokenworks.batches.recipes.extract.fields import Leaf
from tokenworks.batches.recipes.extract.figures import SCALES
from tokenworks.batches.recipes.extract.judged import Grounds, Judged, short
from tokenworks.batches.recipes.extract.sheet import Sheet
from tokenworks.batches.recipes.extract.vocabulary import Field
from tokenworks.batches.recipes.extract.wording import HALF

CLOSE = 0.05  # fits that differ by less are the same


def fits(found: Judged, leaf: Leaf, field: Field | None, sheet: Sheet, at: int, grounds: Grounds) -> None:
    """Note "label" on ``found``, or what is wrong with row ``at`` for this leaf."""
    wrong = _built_in(field, sheet, at, grounds) if field else _own(found, leaf, sheet, at, grounds)
    if wrong:
        found.problems.append(wrong)
    else:
        found.passed.append("label")


def best_rows(field: Field, grounds: Grounds) -> list[tuple[Sheet, int]]:
    """The rows of all pages that mean the field, only those of the best list of labels."""
    ranked = [
        (rank, sheet, at)
        for sheet in grounds.sheets.values()
        for at, row in enumerate(sheet.table)
        if row.figures and (rank := field.rank(row.heading, row.label)) is not None
    ]
    least = min((rank for rank, _, _ in ranked), default=None)
    return [(sheet, at) for rank, sheet, at in ranked if rank == least]


def _built_in(field: Field, sheet: Sheet, at: int, grounds: Grounds) -> str:
    row = sheet.table[at]
    if field.rank(row.heading, row.label) is None:
        return f"the row {short(sheet.rows[at])} is of something else"
    best = best_rows(field, grounds)
    if not any(one is sheet and there == at for one, there in best):
        other, there = best[0]
        return f"the row {short(other.rows[there])} on page {other.page} is the one that is meant"
    if len({tuple(f.value for f in one.table[there].figures) for one, there in best}) > 1:
        return "several rows with other figures fit as well"
    return ""


def _own(found: Judged, leaf: Leaf, sheet: Sheet, at: int, grounds: Grounds) -> str:
    """A user's field has no patterns: its words must stand in the row's label, in none more so.

    Where other rows fit as well they must have the same figure, but for those of other pages than the main
    one. Items of lists have many rows, so theirs are not compared.
    """
    row = sheet.table[at]
    fit = leaf.fit(row.heading, row.label)
    if fit < HALF:
        little = f"the label of the row {short(sheet.rows[at])} has little of the field's name"
        return f"{little}; put other words for it into x-labels"
    if "[]" in leaf.name:
        return ""
    ranked = [
        (leaf.fit(other.heading, other.label), one, i)
        for one in grounds.sheets.values()
        for i, other in enumerate(one.table)
        if other.figures
    ]
    best, better, there = max(ranked, key=lambda rival: rival[0])
    if fit < best - CLOSE:
        return f"the row {short(better.rows[there])} on page {better.page} fits better"
    for rank, one, i in ranked:
        near = rank >= best - CLOSE and (sheet.page != grounds.main or one is sheet)
        if near and not _says(one, i, found.value, leaf.year or grounds.year):
            return f"page {one.page} has the row {short(one.rows[i])} too, with another figure"
    return ""


def _says(sheet: Sheet, at: int, value: str | bool | None, year: int | None) -> bool:
    """Has row ``at`` this value, in full units? In the column of the year where there are years."""
    years, cells = sheet.cells(at)
    wanted = year or max(years, default=0)
    row = [cells[years.index(wanted)]] if years.count(wanted) == 1 else sheet.table[at].figures
    scale = SCALES[sheet.scale(at) or "one"]
    return any(figure.value * scale == Decimal(str(value)) for figure in row)

"""Does an answer stand where it says? Each figure against the page that it cites.

The quote must stand on the page, the digits in that row, the row must mean what was asked for, the sign and
the scale must be the page's, and the column that of the year. Whatever fails is said and not accepted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from tokenworks.batches.recipes.extract.fields import Leaf
from tokenworks.batches.recipes.extract.figures import SCALES, Figure, figures
from tokenworks.batches.recipes.extract.judged import Grounds, Judged, short
from tokenworks.batches.recipes.extract.labels import best_rows, fits
from tokenworks.batches.recipes.extract.sheet import Sheet, quotable
from tokenworks.batches.recipes.extract.vocabulary import Field


def judge(path: str, leaf: Leaf, field: Field | None, said: Any, grounds: Grounds) -> Judged:
    """One answer, {"value", "scale", "page", "quote"}; ``field`` is of the built-in schema."""
    found = Judged(path, kind=leaf.type, unit=leaf.unit)
    if not isinstance(said, dict) or said.get("value") is None:
        _absent(found, leaf, field, grounds)
        return found
    page, quote = said.get("page"), said.get("quote")
    found.quote = quote if isinstance(quote, str) else ""
    found.page = page if isinstance(page, int) else None
    _say_value(found, leaf, said)
    sheet = grounds.sheets.get(found.page) if found.page is not None else None
    if sheet is None:
        shown = ", ".join(map(str, grounds.sheets))
        found.problems.append(f"page {found.page} was not shown; cite one of {shown}")
        return found
    rows = sheet.quoted(found.quote)
    if not rows:
        found.problems.append(f"the quote {short(found.quote)} does not stand on page {found.page}")
        return found
    found.passed.append("quote")
    if leaf.type == "number":
        tries = [_figure(found, leaf, field, said, sheet, at, grounds) for at in rows]
        return min(tries, key=lambda one: len(one.problems))
    return _text(found, leaf, said)


def _say_value(found: Judged, leaf: Leaf, said: Mapping[str, Any]) -> None:
    """The value as it was said, so that a flagged answer can be seen too."""
    value = said["value"]
    if leaf.type != "number":
        found.value = value if isinstance(value, bool) else str(value)
        return
    number = _decimal(value)
    if number is not None:
        found.scale = str(said.get("scale") or "one")
        found.value = _text_of(number * SCALES.get(found.scale, 1))
        found.printed = str(value)


def _absent(found: Judged, leaf: Leaf, field: Field | None, grounds: Grounds) -> None:
    """Nothing was answered: right only where no row of the pages is of the field."""
    if field is not None:
        there = best_rows(field, grounds)
        if there:
            sheet, at = there[0]
            found.problems.append(f"left out, though page {sheet.page} has the row {short(sheet.rows[at])}")
            return
    if leaf.required:
        found.problems.append("left out, though it is required")


def _figure(
    base: Judged,
    leaf: Leaf,
    field: Field | None,
    said: Mapping[str, Any],
    sheet: Sheet,
    at: int,
    grounds: Grounds,
) -> Judged:
    """``base`` with what row ``at`` says of the figure."""
    found = msgspec.structs.replace(base, problems=list(base.problems), passed=list(base.passed), row=at)
    number = _decimal(said["value"])
    if number is None:
        found.problems.append(f"{said['value']!r} is no number")
        return found
    per_share = leaf.unit == "per share"
    stated = "" if per_share else sheet.scale(at)
    matched = _matched(found, number, str(said.get("scale") or "one"), stated, sheet, at)
    if matched is None:
        return found
    found.scale = stated or "one"
    found.printed = matched.text
    found.value = _text_of(matched.value * SCALES[found.scale])
    found.currency = sheet.currency if leaf.unit in ("currency", "per share") or "$" in matched.text else ""
    if stated or per_share:
        found.passed.append("scale")
    elif grounds.scaled and field is not None:
        found.problems.append(f"page {sheet.page} states no scale for this row, so it is not known")
    if matched.percent and leaf.unit in ("currency", "per share"):
        found.problems.append(f"{matched.text} is a share, not an amount")
    if _digits(matched.text) not in _digits(found.quote):
        found.problems.append("the quote leaves the figure out; quote the whole row")
    _column(found, matched, leaf, field, sheet, at, grounds)
    fits(found, leaf, field, sheet, at, grounds)
    return found


def _matched(found: Judged, number: Decimal, scale: str, stated: str, sheet: Sheet, at: int) -> Figure | None:
    """The figure of the row that was meant, the wanted column's first; None with a problem said."""
    inside = [f for f in figures(sheet.rows[at]) if not f.nil]
    times, true = SCALES.get(scale, 1), SCALES[stated or "one"]
    full = number * times
    equal = [f for f in inside if f.value * true == full]
    if equal:
        cells = sheet.table[at].figures
        found.passed += ["digits", "sign"]
        return next((f for f in equal if f in cells), equal[0])
    if any(abs(f.value * true) == abs(full) for f in inside):
        found.problems.append(
            "the sign is not the row's: brackets or a minus there mean a negative number, nothing else does"
        )
    elif any(abs(f.value) == abs(number) for f in inside):
        right = f"one of {stated}s" if stated else "none, so “one”"
        found.problems.append(f"the scale “{scale}” is wrong: the page states {right}")
    else:
        found.problems.append(f"{number:f} does not stand in the row {short(sheet.rows[at])}")
    return None


def _column(
    found: Judged, matched: Figure, leaf: Leaf, field: Field | None, sheet: Sheet, at: int, grounds: Grounds
) -> None:
    years, cells = sheet.cells(at)
    wanted = leaf.year or grounds.year
    if not cells or leaf.column is not None:
        _place(found, matched, leaf, sheet.table[at].figures)
        return
    year = wanted or max(years)
    if years.count(year) != 1:
        found.problems.append(
            f"the table has {years.count(year) or 'no'} columns of {year}"
            if year in years
            else f"the table has no column of {year}"
        )
        return
    right = cells[years.index(year)]
    if right.value != matched.value or right.nil:
        found.problems.append(f"{matched.text} stands in another year's column; {year} has {right.text}")
    else:
        found.passed.append("column")


def _place(found: Judged, matched: Figure, leaf: Leaf, row: Sequence[Figure]) -> None:
    """The column of a table without years: the leaf's own, or the only one that there is."""
    if leaf.column is not None:
        place = leaf.column - 1 if leaf.column > 0 else leaf.column
        if not -len(row) <= place < len(row):
            found.problems.append(f"the row has no figure number {leaf.column}")
        elif row[place].value != matched.value:
            found.problems.append(f"figure number {leaf.column} of the row is {row[place].text}")
        else:
            found.passed.append("column")
    elif len(row) > 1 or leaf.unit == "currency":
        why = "" if leaf.unit else "; name it by x-column in the schema, 1 for the first, -1 for the last"
        found.problems.append(f"it can't be told in which year's column the figure stands{why}")


def _text(found: Judged, leaf: Leaf, said: Mapping[str, Any]) -> Judged:
    """A text must stand in its quote; of yes or no only the quote can be checked."""
    value = said["value"]
    if isinstance(value, bool):
        found.passed.append("quoted")
    elif quotable(str(value)) and quotable(str(value)) in quotable(found.quote):
        found.passed.append("digits")
    else:
        found.problems.append(f"{short(str(value))} does not stand in its quote")
    return found


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        inside = figures(f" {value} ")
        return inside[0].value if len(inside) == 1 and not inside[0].nil else None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < Decimal(10) ** 30 else None


def _text_of(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _digits(text: str) -> str:
    return "".join(sign for sign in text if sign.isdigit() or sign == ".").strip(".")

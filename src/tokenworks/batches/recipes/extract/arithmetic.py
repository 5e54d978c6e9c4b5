"""Do the figures of one statement add up? What does confirms them, what does not flags them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from decimal import Decimal

from tokenworks.batches.recipes.extract.figures import SCALES
from tokenworks.batches.recipes.extract.judged import Judged
from tokenworks.batches.recipes.extract.sheet import Sheet
from tokenworks.batches.recipes.extract.vocabulary import Sum

MOST = 6  # rows between that may come to a sum: three ways each, so 729


def confirm(
    found: Mapping[str, Judged], sums: Sequence[Sum], sheets: Mapping[int, Sheet], year: int | None
) -> None:
    """Note "sum" on figures that a sum confirms; a problem where one contradicts and none confirms."""
    doubted: list[tuple[Judged, str]] = []
    for rule in sums:
        parts = [found.get(name) for name in (rule.whole, rule.first, rule.less)]
        figures = [
            part for part in parts if part is not None and part.value is not None and not part.problems
        ]
        if len(figures) != len(parts) or len({figure.page for figure in figures}) != 1:
            continue
        whole, first, less = figures
        between = _between(whole, less, sheets, year)
        if between is None:
            continue
        values = [Decimal(str(figure.value)) for figure in figures]
        if explained(values[0], values[1], values[2], between, Decimal(SCALES[whole.scale or "one"])):
            for figure in figures:
                if "sum" not in figure.passed:
                    figure.passed.append("sum")
        else:
            sum_of = f"{rule.first} {first.printed} without {rule.less} {less.printed}"
            wrong = f"{sum_of} does not come to {rule.whole} {whole.printed}"
            doubted += [(figure, wrong) for figure in figures]
    for figure, wrong in doubted:
        if "sum" not in figure.passed:
            figure.problems.append(wrong)


def explained(
    whole: Decimal, first: Decimal, less: Decimal, between: Sequence[Decimal], slack: Decimal
) -> bool:
    """Is ``whole`` = ``first`` ∓ ``less``, with any of ``between`` added or taken away? Within ``slack``.

    Statements print what is taken away with brackets or without, so both signs count.
    """
    ways = [(Decimal(0), value, -value) for value in between]
    rests = [whole - first + less, whole - first - less]
    return any(abs(rest - sum(way)) <= slack for way in itertools.product(*ways) for rest in rests)


def _between(
    whole: Judged, less: Judged, sheets: Mapping[int, Sheet], year: int | None
) -> list[Decimal] | None:
    """Values of the rows between the two, in full units; None where they are too many to try."""
    if whole.page is None or whole.row is None or less.row is None:
        return None
    sheet = sheets[whole.page]
    values: list[Decimal] = []
    for at in range(min(whole.row, less.row) + 1, max(whole.row, less.row)):
        years, cells = sheet.cells(at)
        wanted = year or max(years, default=0)
        if years.count(wanted) == 1:
            values.append(cells[years.index(wanted)].value * SCALES[whole.scale or "one"])
    return values if len(values) <= MOST else None

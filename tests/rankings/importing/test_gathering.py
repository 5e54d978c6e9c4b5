"""Cells made into rows."""

from datetime import date
from typing import Any

import pytest

from tokenworks.ledger.outside import MAX_TOKENS, OutsideRow
from tokenworks.rankings.importing.columns import matched
from tokenworks.rankings.importing.gathering import Fault, Gathering
from tokenworks.rankings.periods import day_number

DAY = day_number(date(2026, 2, 16))


def gathered(names: str, *rows: list[Any], span: Any = None) -> list[OutsideRow]:
    gathering = Gathering("hearsay", span, date(2026, 2, 20), unit="line")
    columns = matched(names.split())
    for at, row in enumerate(rows, 2):
        gathering.add(columns, row, at)
    return gathering.rows


def test_a_row_with_everything() -> None:
    names = "date model tokens prompt_tokens completion_tokens requests filled"
    rows = gathered(names, ["2026-02-16", "acme/fast", "10", "7", "2", "3", "yes"])
    assert rows == [OutsideRow("hearsay", DAY, "day", "acme/fast", 7, 2, 10, 3, True)]


def test_a_total_is_added_up_where_it_is_not_told() -> None:
    names = "date model tokens input_tokens output_tokens"
    told = gathered(names, ["2026-02-16", "a", "", "7", "2"], ["2026-02-16", "b", None, 7, None])
    assert [row.tokens for row in told] == [9, 7]
    assert gathered("date model input_tokens output_tokens", ["2026-02-16", "a", 1, 2])[0].tokens == 3


def test_dates_are_weeks_where_somebody_says_so() -> None:
    assert gathered("date model tokens", ["2026-02-16", "a", 1], span="week")[0].span == "week"
    rows = gathered("date model tokens", ["2026-02-16", "a", 1], ["2026-W08", "a", 2], ["2026-02", "a", 2])
    assert [row.span for row in rows] == ["day", "week", "month"], "not the same, so no duplicates"


@pytest.mark.parametrize(
    ("row", "field", "told"),
    [
        (["2026-02-30", "a", 1, 0, 0, 0, ""], 0, "28 days"),
        (["2026-02-22", "a", 1, 0, 0, 0, ""], 0, "not begun"),
        ([["2026"], "a", 1, 0, 0, 0, ""], 0, "no date"),
        (["2026-02-16", {}, 1, 0, 0, 0, ""], 1, "no name"),
        (["2026-02-16", "a", "x", 0, 0, 0, ""], 2, "no number of tokens"),
        (["2026-02-16", "a", "", "", 0, 0, ""], None, ""),
        (["2026-02-16", "a", 5, 3, 3, 0, ""], 2, "less than input and output"),
        (["2026-02-16", "a", 5, "x", 3, 0, ""], 3, "no number of tokens"),
        (["2026-02-16", "a", 5, 3, -1, 0, ""], 4, "negative"),
        (["2026-02-16", "a", "", MAX_TOKENS, MAX_TOKENS, 0, ""], 2, "input and output make"),
        (["2026-02-16", "a", 5, 0, 0, "many", ""], 5, "no number of requests"),
        (["2026-02-16", "a", 5, 0, 0, 0, "perhaps"], 6, "neither true nor false"),
        (["2026-02-16", "b", 5, 0, 0, 0, ""], 1, "'b' stands for this day in line 2 already"),
    ],
)
def test_the_cell_that_is_wrong_is_told(row: list[Any], field: int | None, told: str) -> None:
    names = "date model tokens input_tokens output_tokens requests filled"
    rows = (["2026-02-16", "b", 5, 0, 0, 0, ""], row)
    if field is None:
        gathered(names, *rows)
        return
    with pytest.raises(Fault) as caught:
        gathered(names, *rows)
    assert (caught.value.at, caught.value.field) == (3, field) and told in caught.value.message


def test_variants_are_models_of_their_own() -> None:
    names = "date model variant tokens"
    rows = gathered(names, ["2026-02-16", "a", "standard", 1], ["2026-02-16", "a", "free", 2])
    assert [row.model for row in rows] == ["a", "a:free"]

import pytest
from made_statement import ROWS, YEARS

from tokenworks.batches.recipes.extract.sheet import Sheet, quotable, sheets

SHEET = Sheet(5, ROWS)


def at(begins: str) -> int:
    return next(i for i, row in enumerate(ROWS) if row.startswith(begins))


def test_quotes_are_found_whatever_their_blanks_dashes_and_money_signs() -> None:
    assert SHEET.quoted("total  net sales 440,000 487,000  542,500") == [at("Total net sales")]
    assert SHEET.quoted("Product sales 410,000 455,120 502,340") == [at("Product sales")]
    assert SHEET.quoted("Net sales 1") == SHEET.quoted("") == []
    assert quotable("“Profit” — $ (5 )") == '"profit" - (5)'.strip('"')


def test_a_quote_over_two_rows_is_of_the_last() -> None:
    sheet = Sheet(1, ["Income from operations that", "go on 5 6", "Other 7 8"])
    assert sheet.quoted("Income from operations that go on 5 6") == [1]


def test_the_scale_is_the_nearest_above() -> None:
    sheet = Sheet(
        1, ["(in thousands)", "Revenue 1", "Segments (in millions)", "Fruit 2", "We paid $3 billion", "Jam 4"]
    )
    assert [sheet.scale(i) for i in (1, 3, 5)] == ["thousand", "million", "million"]
    assert Sheet(1, ["Revenue 1"]).scale(0) == ""


def test_a_bracket_over_two_rows_states_its_first_scale() -> None:
    sheet = Sheet(
        1, ["(In millions, except number of shares,", "which are reflected in thousands)", "Revenue 1"]
    )
    assert sheet.scale(2) == "million"


def test_cells_are_those_of_the_years() -> None:
    years, cells = SHEET.cells(at("Total net sales"))
    assert years == [int(year) for year in YEARS]
    assert [cell.text for cell in cells] == ["440,000", "487,000", "542,500"]
    assert SHEET.currency == "USD"


@pytest.mark.parametrize(
    ("head", "row", "texts"),
    [
        ("2023 2022", "Revenue (1) 12 13", ["12", "13"]),
        ("Note 2023 2022", "Revenue 4 12 13", ["12", "13"]),
        ("2023 2022 Change", "Revenue 13 12 1", ["13", "12"]),
        ("2023 Change 2022", "Revenue 13 8% 12", ["13", "12"]),
        ("2023 2022", "Gain, net of tax of $5 and $6 13 12", ["13", "12"]),
        ("2023 Change 2022", "Revenue 13 1 12", []),
        ("2023 2022", "Revenue 13 12 11", []),
        ("2023 2022", "Revenue 13", []),
    ],
)
def test_more_or_fewer_figures_than_years(head: str, row: str, texts: list[str]) -> None:
    assert [cell.text for cell in Sheet(1, [head, row]).cells(1)[1]] == texts


def test_pages_of_a_part_by_number() -> None:
    assert sheets([{"page": 7, "rows": ["a"]}])[7].rows == ["a"]

from decimal import Decimal

import pytest

from tokenworks.batches.recipes.extract.figures import (
    columns,
    currency_of,
    figures,
    head_years,
    is_head,
    parted,
    plain,
    scale_of,
    stated_scale,
    years_in,
)


@pytest.mark.parametrize(
    ("row", "values"),
    [
        ("Net income (loss) $ 596 $ (241) $ 274", ["596", "-241", "274"]),
        ("Loss on debt — — (25,129)", ["0", "0", "-25129"]),
        ("Costs ( 1,234 ) ( 55 )", ["-1234", "-55"]),
        ("x -12 −3.5 $.75", ["-12", "-3.5", "0.75"]),
        ("Diluted $ 10.10 $ 11.55", ["10.10", "11.55"]),
        ("Cash $ — $ 6,883", ["0", "6883"]),
        ("Due — 12 -$5 - 7", ["0", "12", "-5", "0", "7"]),
        ("on 12/31/2015 version 1.2.3 and A4", []),
        ("1,23 is no number", []),
        ("(see note 4)", ["4"]),
    ],
)
def test_numbers_with_their_signs(row: str, values: list[str]) -> None:
    assert [figure.value for figure in figures(row)] == [Decimal(value) for value in values]


def test_shares_in_percent_are_marked() -> None:
    assert [figure.percent for figure in figures("Margin 21.5% 20 % (3.1)% 7")] == [True, True, True, False]


def test_a_row_is_its_label_and_the_figures_at_its_end() -> None:
    label, found = columns("Gain (Note 2), net of tax of $7 and 5 for 90 (11) (172)")
    assert label.strip().endswith("for") and [figure.text for figure in found] == ["90", "(11)", "(172)"]
    assert columns("Operating expenses:") == ("Operating expenses:", [])


def test_rows_that_were_joined_are_parted() -> None:
    row = "Net sales $ 233 $ 182 Cost of sales 140 112 Gross margin 93 70"
    assert [part.strip() for part in parted(row)] == [
        "Net sales $ 233 $ 182",
        "Cost of sales 140 112",
        "Gross margin 93 70",
    ]
    assert parted("Revenue 12 13") == ["Revenue 12 13"]


def test_labels_compare_without_footnotes_and_signs() -> None:
    assert plain("Other income (1), net: $ ") == "other income , net"
    assert plain("SHAREHOLDERS’ Equity–Total") == "shareholders' equity-total"


@pytest.mark.parametrize(
    ("row", "scale"),
    [
        ("(in millions)", "million"),
        ("(In thousands, except per share data)", "thousand"),
        ("(In millions, except number of shares which are reflected in thousands)", "million"),
        ("$ and shares in millions, except per share amounts", "million"),
        ("($000)", "thousand"),
        ("(RMB in thousands)", "thousand"),
        ("£ million", "million"),
        ("Year Ended December 31, (in billions) 2015 2014", "billion"),
        ("A paragraph whose last words are the scale of a table " * 3 + "(in millions)", "million"),
        ("(shares in thousands)", ""),
        ("Shares used in calculation (000’s)", ""),
        ("sales grew by $3 million to $5 million in the year", ""),
        ("Revenue", ""),
    ],
)  # fmt: skip
def test_the_scale_that_a_row_states(row: str, scale: str) -> None:
    assert stated_scale(row) == scale


def test_the_first_scale_of_several_rows_counts() -> None:
    assert scale_of(["Income statement", "(in thousands)", "(in millions)"]) == "thousand"


def test_currencies() -> None:
    texts = ("€ 5", "HK$ 5", "RMB", "$ 5", "£3", "5")
    assert [currency_of(text) for text in texts] == ["EUR", "HKD", "CNY", "USD", "GBP", ""]


def test_heads_name_years_and_hardly_anything_else() -> None:
    assert is_head("Fiscal Years Ended February 2, 2019 February 3, 2018")
    assert is_head("2019 Change 2018 Change 2017")
    assert not is_head("In 2015 and 2014 we bought two orchards")
    assert not is_head("Quince Inc. | 2019 Form 10-K | 17")
    assert years_in("FY2020, 2,015 $2014 and 2013") == [2020, 2013]


def test_years_of_columns_are_those_of_the_nearest_head() -> None:
    assert head_years(["2020 2019", "Revenue 1 2", "2018 2017", "Cost 3 4"], 3) == [2018, 2017]
    assert head_years(["September 26, 2020", "September 28, 2019", "Revenue 1 2"], 2) == [2020, 2019]
    assert head_years(["Revenue 1 2"], 0) == []

from decimal import Decimal

import pytest
from made_statement import ROWS, STATEMENT_PAGE

from tokenworks.batches.recipes.extract.arithmetic import confirm, explained
from tokenworks.batches.recipes.extract.judged import Judged
from tokenworks.batches.recipes.extract.sheet import Sheet
from tokenworks.batches.recipes.extract.vocabulary import Sum

SHEETS = {STATEMENT_PAGE: Sheet(STATEMENT_PAGE, ROWS)}
GROSS = Sum("gross_profit", "revenue", "cost_of_revenue")
NET = Sum("net_income", "income_before_tax", "income_tax")


def judged(field: str, value: int, begins: str) -> Judged:
    row = next(i for i, text in enumerate(ROWS) if text.startswith(begins))
    return Judged(
        field, str(value * 1000), scale="thousand", page=STATEMENT_PAGE, row=row, printed=f"{value:,}"
    )


def statement(net: int = 35_000, gross: int = 182_250) -> dict[str, Judged]:
    figures = [
        judged("revenue", 542_500, "Total net sales"),
        judged("cost_of_revenue", 360_250, "Cost of sales"),
        judged("gross_profit", gross, "Gross profit"),
        judged("income_before_tax", 50_000, "Income before"),
        judged("income_tax", -12_500, "Provision"),
        judged("net_income", net, "Net income attributable to Quince"),
    ]
    return {figure.field: figure for figure in figures}


def test_sums_confirm_also_over_the_rows_between() -> None:
    found = statement()
    confirm(found, (GROSS, NET), SHEETS, None)
    assert all("sum" in figure.passed and not figure.problems for figure in found.values())


def test_what_does_not_add_up_is_flagged() -> None:
    found = statement(net=36_100)
    confirm(found, (GROSS, NET), SHEETS, None)
    assert "does not come to net_income 36,100" in found["net_income"].problems[0]
    assert found["income_tax"].problems and "sum" in found["revenue"].passed


def test_a_figure_that_another_sum_confirms_is_not_doubted() -> None:
    found = statement(gross=182_999)
    confirm(found, (GROSS, Sum("revenue", "revenue", "nothing")), SHEETS, None)
    assert found["gross_profit"].problems
    also = statement(gross=182_999)
    also["revenue"].passed.append("sum")
    confirm(also, (GROSS,), SHEETS, None)
    assert not also["revenue"].problems and also["gross_profit"].problems


def test_flagged_and_missing_figures_are_left_alone() -> None:
    found = statement(net=1)
    found["income_tax"].problems.append("wrong already")
    del found["revenue"]
    confirm(found, (GROSS, NET), SHEETS, None)
    assert not found["net_income"].problems and not found["gross_profit"].passed


@pytest.mark.parametrize(
    ("whole", "first", "less", "between", "right"),
    [(60, 100, 40, (), True), (60, 100, -40, (), True), (61, 100, 40, (), True), (62, 100, 40, (), False),
     (50, 100, 40, (10,), True), (70, 100, 40, (-10, 3), True), (75, 100, 40, (10,), False)],
)  # fmt: skip
def test_signs_are_free_and_the_last_digit_may_be_rounded(
    whole: int, first: int, less: int, between: tuple[int, ...], right: bool
) -> None:
    rows = [Decimal(value) for value in between]
    assert explained(Decimal(whole), Decimal(first), Decimal(less), rows, Decimal(1)) is right

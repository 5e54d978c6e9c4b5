import pytest
from made_statement import ROWS, TRUE

from tokenworks.batches.recipes.extract.vocabulary import Field, kind, kinds, table
from tokenworks.errors import BadRequest


def fields() -> dict[str, Field]:
    return {field.name: field for field in kind("income-statement").field}


def test_built_in_schemas_are_named() -> None:
    assert "income-statement" in kinds()
    with pytest.raises(BadRequest, match="income-statement"):
        kind("balance")


def test_sums_are_of_fields_that_there_are() -> None:
    for rule in kind("income-statement").sum:
        assert {rule.whole, rule.first, rule.less} <= set(fields())


def test_each_field_finds_its_row_and_no_better_one() -> None:
    rows = table(ROWS)
    for name, (_, begins) in TRUE.items():
        ranks = [fields()[name].rank(row.heading, row.label) if row.figures else None for row in rows]
        ranked = [(rank, text) for rank, text in zip(ranks, ROWS, strict=True) if rank is not None]
        best = [text for rank, text in ranked if rank == min(ranked)[0]]
        assert len(best) == 1 and best[0].startswith(begins), name


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("net_income", "net income per share"),
        ("net_income", "net income from continuing operations"),
        ("net_income", "comprehensive income"),
        ("net_income", "net income attributable to noncontrolling interests"),
        ("net_income", "net income including noncontrolling interests"),
        ("revenue", "cost of revenue"),
        ("revenue", "deferred revenue"),
        ("operating_income", "non-operating income"),
        ("operating_income", "other operating income (expense), net"),
        ("income_tax", "income before income taxes"),
        ("income_tax", "deferred income taxes"),
        ("gross_profit", "gross margin percentage"),
        ("eps_basic", "weighted average shares: basic"),
    ],
)
def test_rows_of_something_else_are_not_taken(name: str, label: str) -> None:
    assert fields()[name].rank("", label) is None


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("net_income", "net (loss) income"),
        ("net_income", "net loss"),
        ("net_income", "net earnings attributable to quince, inc. shareholders"),
        ("net_income", "profit for the year"),
        ("net_income", "profit attributable to owners of the parent"),
        ("revenue", "net revenues"),
        ("revenue", "turnover"),
        ("operating_income", "loss from operations"),
        ("operating_income", "operating profit"),
        ("income_tax", "benefit from (provision for) income taxes"),
        ("income_tax", "income tax expense"),
        ("income_before_tax", "(loss) income before taxes"),
        ("income_before_tax", "profit before taxation"),
        ("cost_of_revenue", "cost of goods sold"),
    ],
)
def test_other_wordings_are_known(name: str, label: str) -> None:
    assert fields()[name].rank("", label) is not None


def test_headings_go_on_over_two_rows_until_the_next() -> None:
    rows = table(
        [
            "Net income per common share attributable to",
            "Quince:",
            "Basic $ 1.20",
            "Diluted $ 1.10",
            "Shares:",
            "Basic 9",
        ]
    )
    assert rows[3].heading == "net income per common share attributable to quince"
    assert fields()["eps_diluted"].rank(rows[3].heading, rows[3].label) == 0
    assert fields()["eps_basic"].rank(rows[5].heading, rows[5].label) is None

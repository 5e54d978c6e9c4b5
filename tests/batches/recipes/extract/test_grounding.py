from typing import Any

import pytest
from made_statement import ROWS, STATEMENT_PAGE, TRUE, citation

from tokenworks.batches.recipes.extract.fields import Leaf, of_kind
from tokenworks.batches.recipes.extract.grounding import judge
from tokenworks.batches.recipes.extract.judged import Grounds, Judged
from tokenworks.batches.recipes.extract.sheet import Sheet
from tokenworks.batches.recipes.extract.vocabulary import kind

KIND = kind("income-statement")
LEAVES = {leaf.name: leaf for leaf in of_kind(KIND)[0]}
FIELDS = {field.name: field for field in KIND.field}
GROUNDS = Grounds({STATEMENT_PAGE: Sheet(STATEMENT_PAGE, ROWS)}, None, True)


def judged(name: str, grounds: Grounds = GROUNDS, **changes: Any) -> Judged:
    return judge(name, LEAVES[name], FIELDS[name], citation(name) | changes, grounds)


def row(begins: str) -> str:
    return next(text for text in ROWS if text.startswith(begins))


@pytest.mark.parametrize("name", TRUE)
def test_what_stands_there_passes_in_full_units(name: str) -> None:
    found = judged(name)
    assert not found.problems and found.value == TRUE[name][0]
    assert {"quote", "digits", "sign", "column", "label"} <= set(found.passed)
    assert found.currency == "USD"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"value": 440_000}, "another year's column; 2023 has 542,500"),
        ({"value": 487_000}, "another year's column"),
        ({"scale": "million"}, "scale “million” is wrong: the page states one of thousands"),
        ({"scale": "one"}, "scale “one” is wrong"),
        ({"value": 524_500}, "does not stand in the row"),
        ({"value": 542_501, "quote": "Total net sales 440,000 487,000 542,501"}, "does not stand on page 5"),
        ({"value": -542_500}, "the sign"),
        ({"page": 6}, "page 6 was not shown; cite one of 5"),
        ({"page": None}, "was not shown"),
        ({"quote": None}, "does not stand on page"),
        ({"quote": "Total net sales"}, "leaves the figure out"),
        ({"value": 502_340, "quote": row("Product sales")}, "is of something else"),
        ({"value": True}, "is no number"),
    ],
)
def test_what_is_wrong_with_a_figure_is_said(changes: dict[str, Any], why: str) -> None:
    found = judged("revenue", **changes)
    assert any(why in problem for problem in found.problems), found.problems


def test_the_same_value_in_full_units_is_right_too() -> None:
    assert not judged("revenue", value=542_500_000, scale="one").problems


def test_a_lost_sign_is_noticed() -> None:
    assert any("sign" in problem for problem in judged("income_tax", value=12_500).problems)


@pytest.mark.parametrize(
    ("begins", "value"),
    [
        ("Net income including", 37_500),
        ("Net income attributable to noncontrolling", -2_500),
        ("Operating income", 56_000),
    ],
)
def test_rows_beside_the_right_one_are_refused(begins: str, value: int) -> None:
    assert judged("net_income", value=value, quote=row(begins)).problems


def test_every_other_row_of_the_statement_is_refused_for_every_field() -> None:
    sheet = GROUNDS.sheets[STATEMENT_PAGE]
    for name in TRUE:
        right = citation(name)["quote"]
        for text, there in zip(ROWS, sheet.table, strict=True):
            if text != right and len(there.figures) == 3:
                newest = there.figures[2].value
                number = float(newest) if name.startswith("eps") else int(newest)
                assert judged(name, value=number, quote=text).problems, (name, text)


def test_the_same_figure_in_two_years_counts_in_the_right_one() -> None:
    assert judged("net_income", value=25_000).problems
    of_2022 = Grounds(GROUNDS.sheets, 2022, True)
    assert not judged("net_income", of_2022, value=25_000).problems
    assert any(
        "no column of 1999" in p for p in judged("net_income", Grounds(GROUNDS.sheets, 1999, True)).problems
    )


def test_a_page_without_its_scale_is_not_guessed() -> None:
    rows = [text for text in ROWS if "thousands" not in text]
    bare = Grounds({STATEMENT_PAGE: Sheet(STATEMENT_PAGE, rows)}, None, True)
    assert any("no scale" in problem for problem in judged("revenue", bare, scale="one").problems)
    assert judged("revenue", bare).problems
    assert not judged("revenue", Grounds(bare.sheets, None, False), scale="one").problems


def test_what_is_left_out_though_it_is_there_is_said() -> None:
    found = judged("gross_profit", value=None)
    assert found.value is None and "left out, though page 5 has the row" in found.problems[0]
    none = Grounds({1: Sheet(1, ["Nothing here"])}, None, True)
    assert not judged("gross_profit", none, value=None).problems
    assert "required" in judged("revenue", none, value=None).problems[0]
    assert judge("revenue", LEAVES["revenue"], FIELDS["revenue"], None, none).problems


def test_a_statement_without_years_is_not_guessed() -> None:
    rows = [text for text in ROWS if not text.startswith("Year Ended")]
    found = judged("revenue", Grounds({STATEMENT_PAGE: Sheet(STATEMENT_PAGE, rows)}, None, True))
    assert any("which year" in problem for problem in found.problems)


# --- a user's own schema ------------------------------------------------------------------------

INVOICE = Sheet(
    2, ["Invoice of Quince Orchards", "Pears 3 4.50 13.50", "Total amount due $ 13.50", "Total weight 3"]
)


def own(leaf: Leaf, **said: Any) -> Judged:
    return judge(
        leaf.name, leaf, None, {"scale": "one", "page": 2} | said, Grounds({2: INVOICE}, None, False)
    )


def test_words_of_a_field_must_stand_in_the_label_and_in_no_other_more_so() -> None:
    leaf = Leaf("amount_due", "number", "What is to be paid in total")
    assert not own(leaf, value=13.5, quote="Total amount due $ 13.50").problems
    assert any("x-labels" in p for p in own(leaf, value=3, quote="Pears 3 4.50 13.50").problems)
    assert own(Leaf("total_amount_due", "number"), value=3, quote="Total weight 3").problems


def test_x_labels_name_rows_in_the_document_s_words() -> None:
    quote = "Total amount due $ 13.50"
    assert own(Leaf("sum", "number"), value=13.5, quote=quote).problems
    assert not own(Leaf("sum", "number", labels=("Total amount due",)), value=13.5, quote=quote).problems


def test_a_column_without_a_year_must_be_named() -> None:
    quote = "Pears 3 4.50 13.50"
    assert any("x-column" in p for p in own(Leaf("pears", "number"), value=3, quote=quote).problems)
    assert not own(Leaf("pears", "number", column=1), value=3, quote=quote).problems
    assert not own(Leaf("pears", "number", column=-1), value=13.5, quote=quote).problems
    assert "is 13.50" in own(Leaf("pears", "number", column=-1), value=3, quote=quote).problems[0]
    assert "no figure number 9" in own(Leaf("pears", "number", column=9), value=3, quote=quote).problems[0]


def test_texts_must_stand_in_their_quote() -> None:
    leaf = Leaf("supplier", "string")
    assert not own(leaf, value="Quince Orchards", quote="Invoice of Quince Orchards").problems
    assert own(leaf, value="Plum Orchards", quote="Invoice of Quince Orchards").problems
    assert own(leaf, value="Quince", quote="made up").problems


def test_of_yes_or_no_the_quote_is_checked() -> None:
    leaf = Leaf("has_pears", "boolean")
    assert own(leaf, value=True, quote="Pears 3 4.50 13.50").passed == ["quote", "quoted"]
    assert own(leaf, value=True, quote="Apples 3").problems

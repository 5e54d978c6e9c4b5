from tokenworks.batches.recipes.extract.fields import Leaf
from tokenworks.batches.recipes.extract.judged import Grounds, Judged
from tokenworks.batches.recipes.extract.labels import best_rows, fits
from tokenworks.batches.recipes.extract.sheet import Sheet
from tokenworks.batches.recipes.extract.vocabulary import kind

HEAD = ["(in thousands)", "December 31, 2023 2022"]
BALANCE = Sheet(3, [*HEAD, "Total current assets 40 30", "Total assets 90 80"])
SELECTED = Sheet(1, [*HEAD, "Total assets 90 80"])
FAIR_VALUE = Sheet(7, [*HEAD, "Total assets 15 12"])
LEAF = Leaf("total_assets", "number")


def wrong(sheet: Sheet, at: int, value: str, *others: Sheet, leaf: Leaf = LEAF) -> list[str]:
    found = Judged(leaf.name, value)
    grounds = Grounds({one.page: one for one in (sheet, *others)}, None, True, main=3)
    fits(found, leaf, None, sheet, at, grounds)
    assert bool(found.problems) != ("label" in found.passed)
    return found.problems


def test_the_row_whose_label_fits_best_is_meant() -> None:
    assert not wrong(BALANCE, 3, "90000")
    assert "“Total assets 90 80” on page 3 fits better" in wrong(BALANCE, 2, "40000")[0]


def test_the_main_page_counts_before_others() -> None:
    assert not wrong(BALANCE, 3, "90000", FAIR_VALUE)
    assert "page 3 has the row “Total assets 90 80” too" in wrong(FAIR_VALUE, 2, "15000", BALANCE)[0]


def test_another_page_that_says_the_same_is_as_good() -> None:
    assert not wrong(SELECTED, 2, "90000", BALANCE)


def test_items_of_lists_have_many_rows() -> None:
    assert not wrong(BALANCE, 2, "40000", leaf=Leaf("rows[].assets", "number"))


def test_a_label_that_says_something_else_is_told_how_to_name_it() -> None:
    assert "x-labels" in wrong(BALANCE, 3, "90000", leaf=Leaf("goodwill", "number"))[0]


def test_of_built_in_fields_only_rows_of_the_best_labels_are_meant() -> None:
    field = next(field for field in kind("income-statement").field if field.name == "revenue")
    sheet = Sheet(3, ["Net sales 90 80", "Membership fees 3 2", "Total revenue 93 82"])
    assert best_rows(field, Grounds({3: sheet}, None, True)) == [(sheet, 2)]
    twice = Sheet(3, ["Total revenue 93 82", "Total revenue 94 83"])
    found = Judged("revenue", "93")
    fits(found, Leaf("revenue", "number"), field, twice, 0, Grounds({3: twice}, None, True))
    assert found.problems == ["several rows with other figures fit as well"]

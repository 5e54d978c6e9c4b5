"""Order and pages of endpoints."""

from __future__ import annotations

import pytest

from tokenworks.catalog.prices import UNKNOWN_PRICE
from tokenworks.console import price_filter
from tokenworks.console.price_filter import Wanted
from tokenworks.console.price_list import Listed
from tokenworks.console.price_use import Use, Used
from tokenworks.schema import Endpoint, Model, Price


def listed(name: str, price: float | None, title: str = "Acme", mine: bool = True) -> Listed:
    model = Model(id=name, name=name.upper(), author=name.partition("/")[0], country="", context_length=1)
    cost = UNKNOWN_PRICE if price is None else Price(name, price, price)
    return Listed(model, Endpoint(name, title.lower(), f"up-{name}", cost, 1), title, mine)


ROWS = [
    listed("b/two", 2.0),
    listed("a/one", 1.0),
    listed("c/none", None),
    listed("a/ten", 10.0, "Beta", False),
]
NOBODY = Used({}, {}, {})


def order(sort: str) -> list[str]:
    page = price_filter.page(ROWS, NOBODY, Wanted(sort=sort))
    return [line.listed.model.id for line in page.lines]


def test_numbers_are_sorted_as_numbers_and_unknown_ones_come_last() -> None:
    assert order("input") == ["a/one", "b/two", "a/ten", "c/none"]
    assert order("-input") == ["a/ten", "b/two", "a/one", "c/none"]
    assert order("model") == ["a/one", "a/ten", "b/two", "c/none"]
    assert order("-provider")[0] == "a/ten"
    assert order("paid") == order("-paid") == ["a/one", "b/two", "c/none", "a/ten"]  # mine first


def test_use_is_a_column() -> None:
    used = Used({("b/two", "acme"): Use(1, 10, 5)}, {}, {})
    page = price_filter.page(ROWS, used, Wanted(sort="-tokens"))
    assert page.lines[0].listed.model.id == "b/two" and page.lines[0].use.tokens == 10


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(q="UP-A/"), ["a/one", "a/ten"]),
        (Wanted(q="beta"), ["a/ten"]),
        (Wanted(mine=True), ["b/two", "a/one", "c/none"]),
        (Wanted(author="a"), ["a/one", "a/ten"]),
        (Wanted(provider="beta"), ["a/ten"]),
        (Wanted(max_price=2.0), ["b/two", "a/one"]),
        (Wanted(modality="image"), []),
        (Wanted(tools=True), []),
    ],
)
def test_filters(wanted: Wanted, found: list[str]) -> None:
    assert [row.model.id for row in price_filter.select(ROWS, wanted)] == found
    assert wanted.narrowed and not Wanted(sort="-input", page=3).narrowed


def test_pages() -> None:
    many = [listed(f"a/{number:03d}", 1.0) for number in range(120)]
    last = price_filter.page(many, NOBODY, Wanted(page=9))
    sheet = last.sheet
    assert (sheet.number, sheet.pages, sheet.first, len(last.lines), sheet.count) == (3, 3, 101, 20, 120)
    none = price_filter.page([], NOBODY, Wanted())
    assert (none.sheet.number, none.sheet.pages, list(none.lines)) == (1, 1, [])


def test_a_query_is_read() -> None:
    told = price_filter.read({"q": " x ", "mine": "1", "max_price": "0.5", "sort": "-paid", "page": "2"})
    assert told == Wanted(q="x", mine=True, max_price=0.5, sort="-paid", page=2)
    for query in (
        {"max_price": "inf"},
        {"max_price": "-1"},
        {"max_price": "nan"},
        {"page": "0"},
        {"page": "²"},
    ):
        assert price_filter.read(query) == Wanted(), query

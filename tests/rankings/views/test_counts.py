"""Users, tasks, languages, context lengths, tools and finish reasons."""

from collections.abc import Callable
from typing import Any

from ranked_ledger import Ledger

from tokenworks.ledger.labelled import Labels, encode
from tokenworks.rankings.books import Books
from tokenworks.rankings.views import ranking

MakeBooks = Callable[..., Books]
WEEK = "2026-02-20T10:00"


def rows(here: Books, view: str, *names: str, **more: Any) -> list[tuple[Any, ...]]:
    found = ranking(here, view, here.period("2026-W08"), **more).rows
    return [tuple(row[name] for name in names) for row in found]


def test_users(ledger: Ledger, books: MakeBooks) -> None:
    ledger.put(WEEK, 10, user="<b>ann</b>")
    ledger.put(WEEK, 30, user="bob", model="a/x")
    ledger.put(WEEK, 99)  # of nobody
    here = books()
    assert rows(here, "user", "rank", "user", "tokens", "share") == [
        (1, "bob", 30, 0.75),
        (2, "<b>ann</b>", 10, 0.25),
    ]
    assert rows(here, "user", "user", where={"author": "a"}) == [("bob",)]


def test_samples_stand_for_more(ledger: Ledger, books: MakeBooks) -> None:
    ledger.put(WEEK, 10, labels=encode(Labels("programming", "en", "python", 5)))
    ledger.put(WEEK, 20, labels=encode(Labels("programming", "zh", "", 2)))
    ledger.put(WEEK, 30, labels=encode(Labels("translation", "zh", "", 1)))
    ledger.put(WEEK, 999)
    here = books()
    assert rows(here, "category", "category", "tokens", "samples", "requests") == [
        ("programming", 90, 2, 7),
        ("translation", 30, 1, 1),
    ]
    assert rows(here, "language", "language", "tokens") == [("zh", 70), ("en", 50)]
    assert rows(here, "code", "code", "tokens", "samples") == [("python", 50, 1)]
    assert "Estimated from a sample" in ranking(here, "code", here.period("2026-W08")).note


def test_contexts_stand_in_their_own_order(ledger: Ledger, books: MakeBooks) -> None:
    for tokens in (500, 3_000_000, 50_000):
        ledger.put(WEEK, tokens, output_tokens=0)
    assert rows(books(), "context", "context", "rank", "tokens", top=1) == [
        ("1K", 3, 500),
        ("64K", 2, 50_000),
        (">1M", 1, 3_000_000),
    ]


def test_tools(ledger: Ledger, books: MakeBooks) -> None:
    ledger.put(WEEK, 10, model="a/x", finish_reason="tool_calls", tool_calls=3, times=3)
    ledger.put(WEEK, 10, model="a/x")
    ledger.put(WEEK, 10, model="b/y", times=2)
    here = books()
    names = ("model", "author", "tool_calls", "share", "requests", "tool_requests", "tool_share")
    assert rows(here, "tools", *names) == [("a/x", "a", 9, 1.0, 4, 3, 0.75), ("b/y", "b", 0, 0.0, 2, 0, 0.0)]
    assert ranking(here, "tools", here.period("2026-W08")).total["tool_share"] == 0.5


def test_finish_reasons(ledger: Ledger, books: MakeBooks) -> None:
    ledger.put(WEEK, 10, times=3)
    ledger.put(WEEK, 500, finish_reason="length")
    ledger.put("2026-02-10T00:00", 500, finish_reason="length", times=2)
    assert rows(books(), "finish", "finish", "requests", "tokens", "change", "rank_change") == [
        ("stop", 3, 30, None, None),
        ("length", 1, 500, -0.5, -1),
    ]

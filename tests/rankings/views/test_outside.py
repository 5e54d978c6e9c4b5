"""What outside sources told."""

from collections.abc import Callable
from typing import Any

from ranked_ledger import Ledger

from tokenworks.rankings.books import Books
from tokenworks.rankings.views import ranking

MakeBooks = Callable[..., Books]


def rows(here: Books, view: str, label: str, unit: str, *names: str, **more: Any) -> list[tuple[Any, ...]]:
    found = ranking(here, view, here.period(label, unit), source="article", **more).rows
    return [tuple(row[name] for name in names) for row in found]


def fill(ledger: Ledger) -> None:
    ledger.told(
        "article",
        ("2026-02-09", "week", "minimax/minimax-m2.5", 10),
        ("2026-02-16", "week", "minimax/minimax-m2.5", 30),
        ("2026-02-18", "day", "minimax/minimax-m2.5", 5),
        ("2026-02-16", "week", "openai/gpt-5.2", 20),
        ("2026-02-16", "week", "Other", 45),
        ("2026-02-01", "month", "openai/gpt-5.2", 1000),
    )


def test_a_week_told_as_a_whole_has_its_days_in_it(ledger: Ledger, books: MakeBooks) -> None:
    fill(ledger)
    ledger.put("2026-02-20T00:00", 7777)  # our own traffic is not in it
    found = rows(books(), "model", "2026-W08", "week", "rank", "model", "tokens", "share", "change", "filled")
    assert found == [
        (1, "minimax/minimax-m2.5", 30, 30 / 95, 2.0, False),
        (2, "openai/gpt-5.2", 20, 20 / 95, None, False),
        (None, "others", 45, 45 / 95, None, False),
    ]
    ledger.told("article", ("2026-02-19", "day", "qwen/qwen3", 7))  # nobody told its week
    assert rows(books(), "model", "2026-W08", "week", "tokens") == [(30,), (20,), (7,), (45,)]


def test_a_month_has_days_and_months_and_a_day_its_day(ledger: Ledger, books: MakeBooks) -> None:
    fill(ledger)
    here = books()
    assert rows(here, "author", "2026-02", "month", "author", "tokens") == [("openai", 1000), ("minimax", 5)]
    assert rows(here, "model", "2026-02-18", "day", "tokens") == [(5,)]
    assert rows(here, "model", "2026-02-16", "day", "tokens") == []
    note = ranking(here, "model", here.period("2026-02", "month"), source="article").note
    assert "told by the week are not part of a month" in note
    assert (
        "told by the day" in ranking(here, "model", here.period("2026-02-16", "day"), source="article").note
    )


def test_countries_weights_and_narrowing(ledger: Ledger, books: MakeBooks) -> None:
    fill(ledger)
    here = books()
    assert rows(here, "country", "2026-W08", "week", "country", "tokens") == [
        ("CN", 30),
        ("US", 20),
        ("others", 45),
    ]
    assert rows(here, "weights", "2026-W08", "week", "weights", where={"country": "CN"}) == [("open",)]
    assert rows(here, "model", "2026-W08", "week", "tokens", where={"model": "openai/gpt-5.2"}) == [(20,)]


def test_filled_rows_are_marked(ledger: Ledger, books: MakeBooks) -> None:
    ledger.told("article", ("2026-02-16", "week", "a/x", 9))
    ledger.told("article", ("2026-02-17", "day", "b/y", 5), ("2026-02-17", "day", "c/z", 1), filled=True)
    here = books()
    assert rows(here, "model", "2026-W08", "week", "model", "filled", top=1) == [
        ("a/x", False),
        ("others", True),
    ]
    assert rows(here, "model", "2026-W08", "week", "model", "filled") == [
        ("a/x", False),
        ("b/y", True),
        ("c/z", True),
    ]
    assert (
        "marked as filled were not told"
        in ranking(here, "model", here.period("2026-W08"), source="article").note
    )


def test_what_was_not_told_is_null(ledger: Ledger, books: MakeBooks) -> None:
    fill(ledger)
    assert rows(books(), "model", "2026-W08", "week", "input_tokens", "requests", top=1)[0] == (None, None)


def test_sources_are_of_utc(ledger: Ledger, books: MakeBooks) -> None:
    fill(ledger)
    here = books()
    found = ranking(here, "model", here.period("2026-W08", timezone="Asia/Shanghai"), source="article")
    assert (found.timezone, found.total["tokens"]) == ("UTC", 95)


def test_a_running_week_is_compared_by_days(ledger: Ledger, books: MakeBooks) -> None:
    fill(ledger)
    ledger.told("article", ("2026-02-11", "day", "a/x", 4), ("2026-02-18", "day", "a/x", 8))
    here = books("2026-02-19T10:00")
    found = ranking(here, "model", here.period("2026-W08"), source="article")
    assert (found.complete, {row["model"]: row["change"] for row in found.rows}["a/x"]) == (False, 1.0)
    assert "whole days are compared" in found.note
    changes = {row["model"]: row["change"] for row in found.rows}
    assert changes["minimax/minimax-m2.5"] is None, "three days are not held against a whole week"

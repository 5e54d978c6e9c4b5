"""What was spent, and what routing saved."""

from collections.abc import Callable
from typing import Any

import pytest
from ranked_ledger import Ledger

from tokenworks.ledger.decided import Decided, encode
from tokenworks.rankings.books import Books
from tokenworks.rankings.views import ranking

MakeBooks = Callable[..., Books]
USD = 10**9


def decision(task: str, served: str, cost_usd: int, baseline_usd: int) -> bytes:
    cost, baseline = cost_usd * USD, baseline_usd * USD
    return encode(Decided(task, "direct", "big/one", 1.0, cost, baseline, served=served))


def rows(here: Books, view: str, *names: str, **more: Any) -> list[tuple[Any, ...]]:
    found = ranking(here, view, here.period("2026-W08"), **more).rows
    return [tuple(row[name] for name in names) for row in found]


def fill(ledger: Ledger) -> None:
    when = "2026-02-20T10:00"
    ledger.put(when, 10**6, model="a/x", cost_nano_usd=3 * USD, decision=decision("code", "a/x", 3, 10))
    ledger.put(when, 3 * 10**6, model="b/y", cost_nano_usd=2 * USD, decision=decision("chat", "b/y", 2, 4))
    ledger.put(when, 10**6, model="c/z", cost_nano_usd=1 * USD, provider="beta")
    ledger.put(
        "2026-02-10T10:00", 10**6, model="a/x", cost_nano_usd=6 * USD, decision=decision("code", "a/x", 6, 8)
    )


def test_spend_by_model_with_the_price_paid(ledger: Ledger, books: MakeBooks) -> None:
    fill(ledger)
    here = books()
    names = ("rank", "model", "cost_usd", "share", "change", "usd_mtok", "saved_usd")
    assert rows(here, "spend", *names, top=2) == [
        (1, "a/x", 3.0, 0.5, -0.5, 3.0, 7.0),
        (2, "b/y", 2.0, pytest.approx(1 / 3), None, pytest.approx(2 / 3), 2.0),
        (None, "others", 1.0, pytest.approx(1 / 6), None, 1.0, 0.0),
    ]
    total = ranking(here, "spend", here.period("2026-W08")).total
    assert (total["cost_usd"], total["usd_mtok"], total["saved_usd"]) == (6.0, 1.2, 9.0)
    assert rows(here, "spend", "saved_usd", where={"author": "b"}) == [(2.0,)]


def test_what_was_saved_is_open_where_nobody_knows(ledger: Ledger, books: MakeBooks) -> None:
    fill(ledger)
    here = books()
    found = ranking(here, "spend", here.period("2026-W08"), where={"provider": "acme"})
    assert [row["saved_usd"] for row in found.rows] == [None, None] and found.total["saved_usd"] is None
    assert "What was saved is not kept by provider" in found.note


def test_savings_by_task(ledger: Ledger, books: MakeBooks) -> None:
    fill(ledger)
    here = books()
    names = (
        "task",
        "requests",
        "cost_usd",
        "always_strong_usd",
        "saved_usd",
        "share",
        "saved_share",
        "change",
    )
    assert rows(here, "savings", *names) == [
        ("code", 1, 3.0, 10.0, 7.0, pytest.approx(7 / 9), 0.7, 2.5),
        ("chat", 1, 2.0, 4.0, 2.0, pytest.approx(2 / 9), 0.5, None),
    ]
    assert "Private traffic is part" in ranking(here, "savings", here.period("2026-W08"), private=False).note

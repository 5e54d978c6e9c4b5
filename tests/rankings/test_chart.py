"""Stacked bars over time."""

from collections.abc import Callable

import pytest
from ranked_ledger import Ledger

from tokenworks.errors import BadRequest
from tokenworks.ledger.rollups import DAY_US
from tokenworks.rankings.books import Books
from tokenworks.rankings.chart import Chart, chart

MakeBooks = Callable[..., Books]


def drawn(found: Chart) -> dict[str, list[int]]:
    return {each.name: each.values for each in found.series}


def fill(ledger: Ledger) -> None:
    ledger.put("2026-02-01T23:59", 5, model="a/x")  # Sunday of W05
    ledger.put("2026-02-02T00:00", 10, model="a/x")
    ledger.put("2026-02-03T00:00", 20, model="b/y", provider="beta/fp8", app="<b>", private=True)
    ledger.put("2026-02-20T00:00", 40, model="b/y", provider="beta")
    ledger.put("2026-02-20T00:00", 7, model="c/z", provider="beta")


def test_weeks_are_stacked_the_largest_first(ledger: Ledger, books: MakeBooks) -> None:
    fill(ledger)
    here = books()
    found = chart(here, "model", here.period("2026-W08"))
    assert found.labels == ["2026-W05", "2026-W06", "2026-W07", "2026-W08"]
    assert drawn(found) == {"b/y": [0, 20, 0, 40], "a/x": [5, 10, 0, 0], "c/z": [0, 0, 0, 7]}
    assert (found.unit, found.complete, found.timezone, found.note) == ("week", True, "UTC", "")
    found = chart(here, "model", here.period("2026-W08"), top=1)
    assert drawn(found) == {"b/y": [0, 20, 0, 40], "others": [5, 10, 0, 7]}
    assert list(drawn(found)) == ["b/y", "others"]


@pytest.mark.parametrize(
    ("view", "series"),
    [
        ("author", {"b": [0, 20, 0, 40], "a": [5, 10, 0, 0], "c": [0, 0, 0, 7]}),
        ("provider", {"beta": [0, 20, 0, 47], "acme": [5, 10, 0, 0]}),
        ("app", {"": [5, 10, 0, 47], "<b>": [0, 20, 0, 0]}),
        ("weights", {"unknown": [5, 30, 0, 47]}),
        ("country", {"": [5, 30, 0, 47]}),
    ],
)
def test_other_groups(ledger: Ledger, books: MakeBooks, view: str, series: dict[str, list[int]]) -> None:
    fill(ledger)
    assert drawn(chart(books(), view, books().period("2026-W08"))) == series


def test_narrowed_and_without_private(ledger: Ledger, books: MakeBooks) -> None:
    fill(ledger)
    here = books()
    found = chart(here, "model", here.period("2026-W08"), private=False, where={"provider": "beta"})
    assert (found.labels, drawn(found)) == (["2026-W08"], {"b/y": [40], "c/z": [7]})
    found = chart(here, "app", here.period("2026-W08"), where={"author": "b"})
    assert drawn(found) == {"": [0, 0, 40], "<b>": [20, 0, 0]}


def test_weeks_back_are_counted_from_the_last(ledger: Ledger, books: MakeBooks) -> None:
    ledger.put("2025-02-26T00:00", 9, model="old/one")
    ledger.put("2026-02-20T00:00", 1, model="new/one")
    here = books()
    last = here.period("2026-W08")
    assert len(chart(here, "model", last).labels) == 52
    assert chart(here, "model", last).labels[0] == "2025-W09"
    found = chart(here, "model", last, weeks=51)
    assert (found.labels, drawn(found)) == (["2026-W08"], {"new/one": [1]})


def test_the_running_week_still_grows(ledger: Ledger, books: MakeBooks) -> None:
    fill(ledger)
    ledger.put("2026-02-15T23:00", 3, model="c/z")  # later in its week than it is now in this one
    here = books("2026-02-20T12:00")
    found = chart(here, "model", here.period())
    assert (found.complete, found.labels[-1]) == (False, "2026-W08")
    assert drawn(found)["c/z"] == [0, 0, 3, 7]
    ledger.put("2026-02-20T11:00", 100, model="c/z")
    assert drawn(chart(here, "model", here.period()))["c/z"] == [0, 0, 3, 107]


def test_weeks_that_are_over_are_read_once(
    ledger: Ledger, books: MakeBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(ledger)
    here = books("2026-02-20T12:00")
    chart(here, "model", here.period())
    read: list[int] = []

    def cube(_name: str, _by: object, since_us: int, until_us: int, **_more: object) -> list[object]:
        read.append((until_us - since_us) // (7 * DAY_US))
        return []

    last = here.period()
    monkeypatch.setattr(ledger.store, "cube", cube)
    chart(here, "model", last)
    assert read == [1]  # the running week


def test_months_and_days(ledger: Ledger, books: MakeBooks) -> None:
    fill(ledger)
    ledger.put("2025-12-31T23:59", 3, model="a/x")
    here = books()
    found = chart(here, "author", here.period("2026-02", "month"), top=1)
    assert (found.labels, drawn(found)) == (
        ["2025-12", "2026-01", "2026-02"],
        {"b": [0, 0, 60], "others": [3, 0, 22]},
    )
    found = chart(here, "author", here.period("2026-02-03", "day"), weeks=1)
    assert found.labels == ["2026-02-01", "2026-02-02", "2026-02-03"]
    assert drawn(found) == {"b": [0, 0, 20], "a": [5, 10, 0]}


def test_a_source_has_charts_too(ledger: Ledger, books: MakeBooks) -> None:
    ledger.told(
        "article",
        ("2026-02-09", "week", "minimax/minimax-m2.5", 8),
        ("2026-02-16", "week", "minimax/minimax-m2.5", 24),
        ("2026-02-17", "day", "openai/gpt-5.2", 5),
        ("2026-02-16", "week", "other", 99),
        ("2026-02-01", "month", "openai/gpt-5.2", 1000),
    )
    here = books()
    found = chart(here, "country", here.period("2026-W08"), source="article")
    assert found.labels == ["2026-W07", "2026-W08"]
    assert drawn(found) == {"CN": [8, 24], "US": [0, 5], "others": [0, 99]}
    found = chart(here, "country", here.period("2026-02", "month"), source="article")
    assert drawn(found) == {"US": [1000]}


def test_bars_are_of_utc(ledger: Ledger, books: MakeBooks) -> None:
    fill(ledger)
    here = books()
    found = chart(here, "model", here.period("2026-W08", timezone="Asia/Shanghai"))
    assert found.series == chart(here, "model", here.period("2026-W08")).series
    assert "UTC" in found.note


def test_nothing_at_all(books: MakeBooks) -> None:
    found = chart(books(), "model", books().period())
    assert (found.labels, found.series) == (["2026-W48"], [])


@pytest.mark.parametrize(
    ("view", "unit", "weeks", "fix"),
    [
        ("finish", "week", None, "has no chart; there are charts of model, author"),
        ("model", "week", 53, "weeks must be from 1 to 52"),
        ("model", "day", 14, "weeks must be from 1 to 13 for a chart by the day"),
        ("model", "week", 0, "weeks must be from 1"),
        ("nothing", "week", None, "there are model, author"),
    ],
)
def test_what_has_no_chart(books: MakeBooks, view: str, unit: str, weeks: int | None, fix: str) -> None:
    with pytest.raises(BadRequest, match=fix):
        chart(books(), view, books().period(unit=unit), weeks=weeks)


def test_the_first_year_there_is(books: MakeBooks) -> None:
    here = books()
    assert chart(here, "model", here.period("2000-01", "month"), weeks=104).labels == ["2000-01"]
    assert chart(here, "model", here.period("2000-W02")).series == []
    with pytest.raises(BadRequest, match="years are 2000 to"):
        here.period("1999-W52")

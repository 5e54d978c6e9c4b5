"""Which cube tells what, and how a running period is compared."""

from collections.abc import Callable
from typing import Any

import pytest
from ranked_ledger import Ledger

from tokenworks.errors import BadRequest
from tokenworks.ledger.cubes import CUBES
from tokenworks.rankings.books import Books
from tokenworks.rankings.periods import Period
from tokenworks.rankings.views import VIEWS, ranking
from tokenworks.rankings.views.sums import HOURLY, fetch_of, filters_of, folded, joined, rows_of
from tokenworks.rankings.views.view import Asked

MakeBooks = Callable[..., Books]


def asked(here: Books, view: str = "model", period: Period | None = None, **where: str) -> Asked:
    return Asked(here, VIEWS[view], period or here.period("2026-W08"), where=where)


def test_hours_have_the_sums_of_days() -> None:
    for name in HOURLY:
        assert CUBES[name].measures == CUBES["hour"].measures
        assert set(CUBES[name].dimensions) <= set(CUBES["hour"].dimensions)
    assert filters_of(("app",)) == ("model", "author", "country", "weights", "app")


def test_the_first_cube_that_knows_all_is_taken(books: MakeBooks) -> None:
    here = books()
    cubes = ("model", "provider", "app", "key")
    assert fetch_of(asked(here), cubes, ("model",)).cube == "model"
    assert fetch_of(asked(here, provider="acme"), cubes, ("model",)).cube == "provider"
    found = fetch_of(asked(here, app="x", author="a"), cubes, ("model",))
    assert (found.cube, found.where, found.by, len(found.tests)) == ("app", {"app": "x"}, ("model",), 1)
    with pytest.raises(BadRequest, match="by app and provider at once; leave one of them out"):
        fetch_of(asked(here, app="x", provider="p"), cubes, ("model",))


def test_a_week_elsewhere_is_read_by_the_hour_at_its_ends_only(ledger: Ledger, books: MakeBooks) -> None:
    here = books()
    read: list[tuple[str, int]] = []

    class Watched(Books):
        def cube(
            self,
            name: str,
            by: object,
            since_us: int,
            until_us: int,
            where: object = None,
            measures: object = (),
        ) -> list[tuple[Any, ...]]:
            read.append((name, (until_us - since_us) // 3_600_000_000))
            return [("m", 30 if name == "model" else 10)]

    watched = Watched(ledger.store)
    question = asked(watched, period=here.period("2026-W08", timezone="Asia/Shanghai"))
    found = rows_of(question, fetch_of(question, ("model",), ("model",)), question.period)
    # Sixteen hours are a day less eight.
    assert read == [("hour", 8), ("model", 144), ("hour", 8), ("model", 24)]
    assert found == [("m", 10), ("m", 30), ("m", 20)]
    read.clear()
    question = asked(watched)
    rows_of(question, fetch_of(question, ("model",), ("model",)), question.period)
    assert read == [("model", 168)]


WEEK_IN_SHANGHAI = "2026-W08"  # until 16:00 UTC of Sunday the 22nd


def test_most_of_a_day_is_the_day_less_its_other_hours(ledger: Ledger, books: MakeBooks) -> None:
    ledger.put("2026-02-22T09:00", 10, model="a/both")
    ledger.put("2026-02-22T17:00", 70, model="a/both")
    ledger.put("2026-02-22T18:00", 500, model="a/later")  # of the week after
    ledger.put("2026-02-22T15:59", 3, model="a/sooner")
    here = books("2026-03-01T00:00")
    found = ranking(here, "model", here.period(WEEK_IN_SHANGHAI, timezone="Asia/Shanghai"))
    assert [(row["model"], row["tokens"]) for row in found.rows] == [("a/both", 10), ("a/sooner", 3)]


def test_a_day_that_still_runs_is_read_by_its_hours(ledger: Ledger, books: MakeBooks) -> None:
    ledger.put("2026-02-22T09:00", 10, model="a/both")
    ledger.put("2026-02-22T17:00", 70, model="a/both")
    here = books("2026-02-22T20:00")
    found = ranking(here, "model", here.period(WEEK_IN_SHANGHAI, timezone="Asia/Shanghai"))
    assert [(row["model"], row["tokens"]) for row in found.rows] == [("a/both", 10)]


@pytest.mark.parametrize("late", ["a/both", "a/new"])
def test_records_that_come_between_two_reads_make_no_day_smaller_than_its_hours(
    ledger: Ledger, books: MakeBooks, late: str
) -> None:
    ledger.put("2026-02-22T09:00", 10, model="a/both")
    here = books("2026-03-01T00:00")
    question = asked(here, period=here.period(WEEK_IN_SHANGHAI, timezone="Asia/Shanghai"))
    fetch = fetch_of(question, ("model",), ("model",), ("output_tokens", "requests"))
    day_us = here.period("2026-02-22", "day").since_us
    here.cube("model", fetch.by, day_us, day_us + 86_400_000_000, fetch.where, fetch.measures)  # is kept
    ledger.put("2026-02-22T17:00", 70, model=late)
    assert [(row[0], row[-1]) for row in rows_of(question, fetch, question.period)] == [("a/both", 1)]


def test_a_running_week_is_compared_hour_by_hour(ledger: Ledger, books: MakeBooks) -> None:
    ledger.put("2026-02-18T09:59", 10)  # Wednesday of W08
    ledger.put("2026-02-18T10:20", 1000)  # later than an hour that is over
    ledger.put("2026-02-25T09:59", 30)
    ledger.put("2026-02-25T10:20", 500)  # in the hour that runs
    here = books("2026-02-25T10:30")
    found = ranking(here, "model", here.period())
    assert (found.complete, found.total["tokens"], found.total["change"]) == (False, 530, 2.0)
    (row,) = found.rows
    assert (row["tokens"], row["change"], row["rank_change"]) == (530, 2.0, 0)


def test_views_by_the_day_compare_whole_days(ledger: Ledger, books: MakeBooks) -> None:
    ledger.put("2026-02-17T23:59", 10, app="x")
    ledger.put("2026-02-18T00:01", 1000, app="x")
    ledger.put("2026-02-24T12:00", 40, app="x")
    ledger.put("2026-02-25T00:01", 500, app="x")
    here = books("2026-02-25T10:30")
    found = ranking(here, "app", here.period())
    assert (found.total["tokens"], found.total["change"]) == (540, 3.0)


def test_in_its_first_hour_nothing_is_compared(ledger: Ledger, books: MakeBooks) -> None:
    ledger.put("2026-02-16T00:10")
    ledger.put("2026-02-23T00:10")
    here = books("2026-02-23T00:30")
    found = ranking(here, "model", here.period())
    assert (found.total["tokens"], found.total["change"], found.rows[0]["rank_change"]) == (100, None, None)


def test_private_traffic_can_be_left_out(ledger: Ledger, books: MakeBooks) -> None:
    ledger.put("2026-02-20T10:00", 10, app="x", user="u")
    ledger.put("2026-02-20T10:00", 90, app="x", user="u", private=True)
    here = books()
    for view in ("model", "author", "country", "weights", "provider", "app", "user", "context", "finish"):
        for private, tokens in ((None, 100), (False, 10)):
            found = ranking(here, view, here.period("2026-W08"), private=private)
            assert found.total["tokens"] == tokens, view
    assert "Private traffic is part" in ranking(here, "speed", here.period("2026-W08"), private=False).note


def test_folding_adds_up() -> None:
    rows = [("a/x", 1, 2), ("a/y", 10, 20), ("b/z", 5, 5)]
    assert folded(rows, 1, lambda row: row[0][0]) == {"a": (11, 22), "b": (5, 5)}
    assert joined(2)(iter([(1, 2), (3, 4)])) == (4, 6)
    assert joined(2)(iter([])) == (0, 0)

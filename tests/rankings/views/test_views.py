"""All views: what they promise, and that they agree with a recount of the records themselves."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from ranked_ledger import Ledger
from ranking_records import ranking_records

from tokenworks.errors import BadRequest
from tokenworks.ledger.record import Record
from tokenworks.rankings.books import Books
from tokenworks.rankings.views import VIEWS, ranking, view_of

MakeBooks = Callable[..., Books]
NAMES = [
    *("model", "author", "country", "provider", "weights", "app", "key", "team", "user", "category"),
    *("language", "code", "context", "tools", "finish", "session", "spend", "savings", "speed"),
    "energy",
]
ADMINS = {"key", "team", "user", "session", "spend", "savings", "speed", "energy"}


def total_of(record: Record) -> int:
    inputs = record.uncached_input_tokens + record.cache_read_tokens + record.cache_write_tokens
    return inputs + record.output_tokens


def test_every_view_is_there_and_says_who_may_see_it() -> None:
    assert list(VIEWS) == NAMES
    assert {name for name, view in VIEWS.items() if view.audience == "admin"} == ADMINS
    assert {name for name, view in VIEWS.items() if view.outside} == {"model", "author", "country", "weights"}
    charted = {"model", "author", "country", "provider", "weights", "app", "category"}
    assert {name for name, view in VIEWS.items() if view.charted} == charted


@pytest.mark.parametrize("name", NAMES)
def test_every_row_has_every_column(ledger: Ledger, books: MakeBooks, name: str) -> None:
    records = ranking_records(200)
    ledger.store.append("w", 1, records)
    here = books()
    view = VIEWS[name]
    for label in ("2026-W09", "2026-W08", "2020-W01"):
        found = ranking(here, name, here.period(label), top=1)
        wanted = [each.name for each in view.columns]
        assert found.columns == list(view.columns) and found.view == name
        for row in found.rows:
            assert [each for each in row if each != "filled"] == wanted
        assert {"share", "change"} <= set(found.total) <= set(wanted)
    assert (found.rows, found.total["share"], found.total["change"]) == ([], None, None)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/New_York", "Europe/Berlin"])
@pytest.mark.parametrize("unit", ["day", "week", "month"])
def test_models_and_providers_agree_with_a_recount_in_every_zone_of_whole_hours(
    ledger: Ledger, books: MakeBooks, zone: str, unit: str
) -> None:
    records = ranking_records(300)
    ledger.store.append("w", 1, records)
    here = books()
    labels = {
        "day": ["2026-02-22", "2026-02-28"],
        "week": ["2026-W08", "2026-W09", "2026-W10"],
        "month": ["2026-02", "2026-03"],
    }
    for label in labels[unit]:
        models: Counter[str] = Counter()
        providers: Counter[str] = Counter()
        for record in records:
            moment = datetime.fromtimestamp(record.time_us / 1e6, UTC).astimezone(ZoneInfo(zone))
            written = {"day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}[unit]
            if moment.strftime(written) == label:
                models[record.model] += total_of(record)
                providers[record.provider.partition("/")[0]] += total_of(record)
        period = here.period(label, unit, zone)
        found = ranking(here, "model", period)
        assert {row["model"]: row["tokens"] for row in found.rows} == models
        assert (found.timezone, found.note) == (zone, "")
        found = ranking(here, "provider", period)
        assert {row["provider"]: row["tokens"] for row in found.rows} == providers


def test_a_zone_of_half_hours_is_cut_to_hours_and_says_so(ledger: Ledger, books: MakeBooks) -> None:
    ledger.put("2026-02-19T18:10", 1)  # the hour of 18:30, when the day begins in India, counts as a whole
    ledger.put("2026-02-19T17:59", 10)
    ledger.put("2026-02-20T17:59", 100)
    ledger.put("2026-02-20T18:10", 1000)
    here = books()
    found = ranking(here, "model", here.period("2026-02-20", "day", "Asia/Kolkata"))
    assert found.total["tokens"] == 101
    assert "whole hours" in found.note


def test_views_by_days_are_by_days_of_utc_and_say_so(ledger: Ledger, books: MakeBooks) -> None:
    ledger.put("2026-02-19T18:00", 1, app="x")  # the 20th in Shanghai, not in UTC
    ledger.put("2026-02-20T18:00", 10, app="x")
    here = books()
    period = here.period("2026-02-20", "day", "Asia/Shanghai")
    found = ranking(here, "app", period)
    assert (found.total["tokens"], found.timezone, found.since) == (10, "UTC", "2026-02-20T00:00:00Z")
    assert "By days of UTC" in found.note
    found = ranking(here, "model", period)
    assert (found.total["tokens"], found.timezone, found.since) == (
        1,
        "Asia/Shanghai",
        "2026-02-19T16:00:00Z",
    )


def test_the_plural_is_told_apart_from_nonsense() -> None:
    for plural, name in (("models", "model"), ("countries", "country"), ("tasks", "category")):
        with pytest.raises(BadRequest, match=f"write {name} for {plural}"):
            view_of(plural)
    with pytest.raises(BadRequest, match="no such view; there are model, author"):
        view_of("<script>")
    assert view_of("finish").name == "finish"

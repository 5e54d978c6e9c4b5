from datetime import date

import pytest

from tokenworks.console.ranking_query import Query, after, last_day, read, shown_by
from tokenworks.rankings.periods import period
from tokenworks.rankings.views import VIEWS

NOW_US = 1_772_409_600_000_000  # 2026-03-02


def asked(view: str = "model", **given: str) -> Query:
    return read(given, view, "UTC", admin=True)


def test_what_differs_from_the_defaults_stands_in_the_address() -> None:
    assert asked().address() == "/console/rankings/model"
    assert asked("").address() == "/console/rankings"
    query = asked(
        unit="day", at="2026-02-20", top="50", private="exclude", timezone="Asia/Tokyo", sort="-tokens"
    )
    assert query.address() == (
        "/console/rankings/model?unit=day&at=2026-02-20&top=50&timezone=Asia%2FTokyo&private=exclude&sort=-tokens"
    )
    assert query.address(".csv").startswith("/console/rankings/model.csv?unit=day")
    assert (
        read({"timezone": "Asia/Tokyo"}, "model", "Asia/Tokyo", admin=True).address()
        == "/console/rankings/model"
    )


def test_what_can_not_be_meant_is_as_if_it_was_not_said() -> None:
    assert asked(unit="year", top="7", at=" ", other="x") == asked()
    assert asked(top="٥٠").top == 20
    assert len(asked(at="x" * 1000).at) == 200


def test_without_a_session_private_traffic_stays_out() -> None:
    assert read({"private": "include"}, "model", "UTC", admin=False).private is False
    assert asked().private is True


def test_another_view_keeps_what_it_can_be_asked() -> None:
    query = asked("model", app="Editor", author="acme", sort="-input_tokens", at="2026-W08")
    assert (
        query.address(view="app")
        == "/console/rankings/app?at=2026-W08&sort=-input_tokens&author=acme&app=Editor"
    )
    assert query.address(view="finish") == "/console/rankings/finish?at=2026-W08&author=acme"
    assert query.address(view="") == "/console/rankings?at=2026-W08"
    outside = asked("model", source="article-week", author="acme")
    assert outside.address(view="country") == "/console/rankings/country?source=article-week&author=acme"
    assert outside.address(view="app") == "/console/rankings/app?author=acme"


def test_a_filter_narrows_and_is_taken_away() -> None:
    query = asked("author", country="CN")
    assert query.narrowed("model", "author", "acme") == "/console/rankings/model?country=CN&author=acme"
    assert query.narrowed("savings", "author", "acme") == ""
    assert query.without("country") == "/console/rankings/author"
    outside = asked("author", source="article-week")
    assert outside.narrowed("app", "author", "acme") == ""
    assert (
        outside.narrowed("model", "author", "a b") == "/console/rankings/model?source=article-week&author=a+b"
    )


@pytest.mark.parametrize(
    ("at", "unit", "other", "then"),
    [
        ("2026-W08", "week", "month", "2026-02"),
        ("2026-02", "month", "week", "2026-W05"),
        ("2026-W08", "week", "day", "2026-02-16"),
        ("nonsense", "week", "day", "latest"),
        ("latest", "week", "day", "latest"),
    ],
)
def test_another_unit_stays_at_the_same_place(at: str, unit: str, other: str, then: str) -> None:
    assert asked(at=at, unit=unit).changed(unit=other).at == then


def test_a_column_is_sorted_one_way_then_the_other() -> None:
    assert asked().sorted_by("tokens", number=True).endswith("sort=-tokens")
    assert asked(sort="-tokens").sorted_by("tokens", number=True).endswith("sort=tokens")
    assert asked().sorted_by("model", number=False).endswith("sort=model")


@pytest.mark.parametrize(
    ("label", "unit", "following", "last"),
    [
        ("2025-W52", "week", "2026-W01", date(2025, 12, 28)),
        ("2026-02", "month", "2026-03", date(2026, 2, 28)),
        ("2025-12", "month", "2026-01", date(2025, 12, 31)),
        ("2026-02-28", "day", "2026-03-01", date(2026, 2, 28)),
        ("2026-W10", "week", "", date(2026, 3, 8)),  # which still runs
    ],
)
def test_the_period_after(label: str, unit: str, following: str, last: date) -> None:
    found = period(label, unit, "UTC", NOW_US, None)
    assert after(found) == following and last_day(found) == last


def test_views_of_persons_and_money_are_for_administrators() -> None:
    hidden = {name for name, view in VIEWS.items() if not shown_by(view, admin=False)}
    assert {"key", "team", "user", "session", "spend", "savings", "speed", "energy"} == hidden
    assert all(shown_by(view, admin=True) for view in VIEWS.values())

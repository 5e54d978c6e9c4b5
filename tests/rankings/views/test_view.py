"""What a view refuses before it reads anything."""

from typing import cast

import pytest

from tokenworks.errors import BadRequest
from tokenworks.rankings.books import Books
from tokenworks.rankings.periods import period
from tokenworks.rankings.views import VIEWS
from tokenworks.rankings.views.view import FILTERS, PERSONAL, Asked

PERIOD = period("2026-W08", "week", "UTC", 2 * 10**15, None)


def asked(view: str, **more: object) -> Asked:
    return Asked(cast("Books", None), VIEWS[view], PERIOD, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("view", "more", "fix"),
    [
        ("app", {"where": {"key": "k"}}, "the app view can't be narrowed by key; it can by model, author"),
        ("savings", {"where": {"model": "m"}}, "the savings view can't be narrowed by model; leave it out"),
        ("model", {"where": {"x" * 99: "m"}}, "can't be narrowed by that; it can"),
        ("model", {"where": {"app": ""}}, "app: a name is 1 to 256 characters"),
        ("model", {"where": {"weights": "ajar"}}, "weights must be one of open, closed, unknown"),
        ("model", {"where": {"country": "China"}}, "a code of two letters such as CN, or unknown"),
        ("model", {"top": 0}, "top must be at least 1"),
        ("app", {"source": "article"}, "take model, author, country or weights"),
        ("model", {"source": "article", "where": {"app": "x"}}, "it can by model, author, country, weights"),
    ],
)
def test_refused_with_the_fix(view: str, more: dict[str, object], fix: str) -> None:
    with pytest.raises(BadRequest, match=fix):
        VIEWS[view].check(asked(view, **more))


def test_what_every_view_can_be_narrowed_by() -> None:
    for name, view in VIEWS.items():
        assert set(view.filters) <= set(FILTERS), name
        values = {"weights": "Open", "country": "cn"}
        view.check(asked(name, where={each: values.get(each, "x") for each in view.filters}))
    assert set(VIEWS["model"].filters) == {*FILTERS} - {"user"}
    assert set(VIEWS["app"].filters) == {"model", "author", "country", "weights", "app"}
    assert set(PERSONAL) < set(FILTERS)

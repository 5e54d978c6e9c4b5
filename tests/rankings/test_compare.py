"""Our own shares beside those of an outside source."""

from collections.abc import Callable

import pytest
from ranked_ledger import Ledger

from tokenworks.errors import BadRequest
from tokenworks.rankings.books import Books
from tokenworks.rankings.compare import against
from tokenworks.rankings.views import ranking

MakeBooks = Callable[..., Books]
NAMES = ("model", "share", "share_there", "rank_there", "share_difference")


def test_shares_stand_beside_each_other(ledger: Ledger, books: MakeBooks) -> None:
    for model, tokens in (("a/x", 600), ("b/y", 300), ("c/z", 60), ("d/w", 40)):
        ledger.put("2026-02-20T00:00", tokens, model=model)
    ledger.told(
        "article",
        ("2026-02-16", "week", "A/X:free", 100),
        ("2026-02-16", "week", "b/y", 200),
        ("2026-02-16", "week", "c/z", 40),
        ("2026-02-16", "week", "e/there", 20),
        ("2026-02-16", "week", "other", 40),
    )
    here = books()
    period = here.period("2026-W08")
    found = against(here, ranking(here, "model", period, top=2), period, "article")
    assert [tuple(row[name] for name in NAMES) for row in found.rows] == [
        ("a/x", 0.6, 0.25, 2, pytest.approx(0.35)),
        ("b/y", 0.3, 0.5, 1, pytest.approx(-0.2)),
        ("others", 0.1, 0.25, None, pytest.approx(-0.15)),
    ]
    assert [each.name for each in found.columns][-3:] == ["share_there", "rank_there", "share_difference"]
    assert "There: article, 2026-W08." in found.note


def test_what_the_source_does_not_know_is_null(ledger: Ledger, books: MakeBooks) -> None:
    ledger.put("2026-02-20T00:00", model="a/x")
    ledger.told("article", ("2026-02-16", "week", "b/y", 200))
    here = books()
    period = here.period("2026-W08")
    (row,) = against(here, ranking(here, "model", period), period, "article").rows
    assert (row["share_there"], row["rank_there"], row["share_difference"]) == (None, None, None)
    earlier = here.period("2026-W07")
    assert (
        "article told nothing of 2026-W07."
        in against(here, ranking(here, "model", earlier), earlier, "article").note
    )


def test_variants_there_are_one_model(ledger: Ledger, books: MakeBooks) -> None:
    ledger.put("2026-02-20T00:00", model="a/x")
    told = (("a/x", 70), ("a/x:free", 10), ("b/y", 20))
    ledger.told("article", *(("2026-02-16", "week", model, tokens) for model, tokens in told))
    here = books()
    period = here.period("2026-W08")
    (row,) = against(here, ranking(here, "model", period), period, "article").rows
    assert (row["share_there"], row["rank_there"]) == (pytest.approx(0.8), 1)


def test_views_that_no_source_knows(ledger: Ledger, books: MakeBooks) -> None:
    here = books()
    period = here.period()
    with pytest.raises(BadRequest, match="can't be held against a source; these can: model, author, country"):
        against(here, ranking(here, "app", period), period, "article")

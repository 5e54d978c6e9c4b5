"""What sessions cost."""

from collections.abc import Callable

import pytest
from ranked_ledger import Ledger

from tokenworks.errors import BadRequest
from tokenworks.ledger.rows import KeyRow
from tokenworks.rankings.books import Books
from tokenworks.rankings.views import ranking, sessions
from tokenworks.rankings.views.sessions import bucket, quantile

MakeBooks = Callable[..., Books]
USD = 10**9


def fill(ledger: Ledger) -> None:
    for number, cost in enumerate((1, 2, 3, 4, 10)):  # five sessions of two requests each
        ledger.put("2026-02-18T10:00", 10, times=2, session=f"s{number}", cost_nano_usd=cost * USD // 2)
    ledger.put("2026-02-18T10:00", 10, session="one", cost_nano_usd=7 * USD, private=True, key_id="k_2")
    ledger.put("2026-02-11T10:00", 10, times=2, session="s1", cost_nano_usd=USD // 2)


def test_medians_and_spread_by_model_and_turns(ledger: Ledger, books: MakeBooks) -> None:
    fill(ledger)
    here = books()
    found = ranking(here, "session", here.period("2026-W08"))
    spread = ("turns", "sessions", "median_usd", "p25_usd", "p75_usd", "p90_usd", "change", "rank_change")
    assert [tuple(row[name] for name in spread) for row in found.rows] == [
        ("2-3", 5, 3.0, 2.0, 4.0, pytest.approx(7.6), 2.0, 0),
        ("1", 1, 7.0, 7.0, 7.0, 7.0, None, None),
    ]
    assert (found.total["sessions"], found.total["median_usd"], found.total["tokens"]) == (6, 3.5, 110)
    assert found.rows[0]["share"] == pytest.approx(5 / 6)
    assert ranking(here, "session", here.period("2026-W08"), private=False).total["sessions"] == 5
    (_, others) = ranking(here, "session", here.period("2026-W08"), top=1).rows
    assert (others["rank"], others["model"], others["turns"], others["median_usd"]) == (
        None,
        "others",
        None,
        7.0,
    )


def test_narrowed(ledger: Ledger, books: MakeBooks) -> None:
    fill(ledger)
    ledger.put("2026-02-18T10:00", 10, session="x", model="b/y", key_id="k_3")
    ledger.store.add_key(KeyRow("k_3", "ann", "member", "h", 1, None, b"1" * 32))
    here = books()
    for where in ({"model": "b/y"}, {"author": "b"}, {"key": "ann"}):
        found = ranking(here, "session", here.period("2026-W08"), where=where)
        assert [(row["model"], row["sessions"]) for row in found.rows] == [("b/y", 1)], where


def test_a_month_has_the_weeks_that_begin_in_it_and_a_day_none(ledger: Ledger, books: MakeBooks) -> None:
    fill(ledger)
    ledger.put("2026-02-01T10:00", 10, session="sunday")  # of the week that begins on January 26
    here = books()
    assert ranking(here, "session", here.period("2026-02", "month")).total["sessions"] == 7
    assert ranking(here, "session", here.period("2026-01", "month")).total["sessions"] == 1
    with pytest.raises(BadRequest, match="ask for unit week, 2026-W08"):
        ranking(here, "session", here.period("2026-02-18", "day"))


def test_a_running_week_is_compared_with_none(ledger: Ledger, books: MakeBooks) -> None:
    fill(ledger)
    here = books("2026-02-19T00:00")
    found = ranking(here, "session", here.period())
    assert (found.complete, found.rows[0]["change"]) == (False, None)
    assert "compared with none" in found.note


def test_too_many_sessions_are_sampled_and_said_so(
    ledger: Ledger, books: MakeBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MOST_SESSIONS", 3)
    fill(ledger)
    here = books()
    found = ranking(here, "session", here.period("2026-W08"))
    assert (found.total["sessions"], "fair sample" in found.note) == (3, True)


def test_buckets_and_quantiles() -> None:
    turns = (1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 10**6)
    assert [bucket(n) for n in turns] == [
        *("1", "2-3", "2-3", "4-7", "4-7", "8-15", "8-15", "16-31", "16-31", "32+", "32+")
    ]
    assert (quantile([1, 3], 0.5), quantile([5], 0.9), quantile([], 0.5), quantile([1, 2, 9], 1.0)) == (
        2,
        5,
        None,
        9,
    )

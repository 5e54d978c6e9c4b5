"""Percentiles out of bins."""

from collections.abc import Callable

import pytest
from ranked_ledger import Ledger

from tokenworks.ledger.tallies import RATE, TTFT, bin_of, value_of
from tokenworks.rankings.books import Books
from tokenworks.rankings.views import ranking
from tokenworks.rankings.views.speed import percentile

MakeBooks = Callable[..., Books]
WEEK = "2026-02-20T10:00"


def test_percentiles_are_as_near_as_bins_are_wide() -> None:
    values = [0.05 + 0.001 * n for n in range(1000)]
    bins: dict[int, int] = {}
    for value in values:
        number = bin_of(TTFT, value)
        bins[number] = bins.get(number, 0) + 1
    for q in (0.1, 0.5, 0.9, 0.99):
        assert percentile(TTFT, bins, q) == pytest.approx(values[int(q * 1000) - 1], rel=0.19)


def test_inside_a_bin_values_are_spread_evenly() -> None:
    low, high = value_of(TTFT, 20)
    assert percentile(TTFT, {20: 4}, 0.5) == pytest.approx((low + high) / 2)
    assert percentile(TTFT, {20: 4}, 1.0) == pytest.approx(high)
    assert percentile(TTFT, {20: 1, 30: 1}, 0.5) == pytest.approx(high)
    assert percentile(RATE, {}, 0.5) is None


def test_endpoints_with_their_times_and_uptime(ledger: Ledger, books: MakeBooks) -> None:
    times = {"ttft_us": 300_000, "latency_us": 2_300_000, "stream": True, "output_tokens": 100}
    ledger.put(WEEK, 200, model="a/x", provider="acme/fp8", times=9, **times)
    ledger.put(WEEK, 200, model="a/x", provider="acme/fp8", reasons="acme/fp8:500", **times)
    ledger.put(WEEK, 100, model="a/x", provider="beta")
    ledger.put(WEEK, 50, model="b/y", provider="beta")
    here = books()
    found = ranking(here, "speed", here.period("2026-W08"), top=2)
    first, second, others = found.rows
    assert (first["model"], first["provider"], first["tokens"], first["rank"]) == ("a/x", "acme/fp8", 2000, 1)
    assert first["ttft_p50_s"] == pytest.approx(0.3, rel=0.19)
    assert first["rate_p50"] == pytest.approx(50, rel=0.19) and first["rate_p10"] <= first["rate_p50"]
    assert (first["timed"], first["attempts"], first["uptime"]) == (9, 11, pytest.approx(10 / 11))
    assert (second["provider"], second["ttft_p50_s"], second["timed"], second["uptime"]) == (
        "beta",
        None,
        0,
        1.0,
    )
    assert (others["model"], others["tokens"], others["ttft_p50_s"], others["provider"]) == (
        "others",
        50,
        None,
        "",
    )
    narrowed = ranking(here, "speed", here.period("2026-W08"), where={"provider": "beta"})
    assert [(row["model"], row["provider"]) for row in narrowed.rows] == [("a/x", "beta"), ("b/y", "beta")]


def test_what_no_endpoint_answered_is_no_endpoint(ledger: Ledger, books: MakeBooks) -> None:
    ledger.put(WEEK, 100, model="a/x", provider="acme", ttft_us=1000)
    ledger.put(WEEK, 0, model="a/x", provider="cache")
    ledger.put(WEEK, 0, model="", provider="", outcome="denied")
    ledger.put(WEEK, 0, model="a/x", provider="down", outcome="upstream_error", reasons="down:500")
    here = books()
    found = ranking(here, "speed", here.period("2026-W08"))
    assert [(row["provider"], row["uptime"]) for row in found.rows] == [("acme", 1.0), ("down", 0.0)]


def test_an_endpoint_that_always_fails_over_is_seen(ledger: Ledger, books: MakeBooks) -> None:
    ledger.put(WEEK, 100, times=3, model="a/x", provider="acme", reasons="down/eu:503")
    here = books()
    week = here.period("2026-W08")
    found = ranking(here, "speed", week).rows
    assert [(row["provider"], row["tokens"], row["uptime"], row["attempts"]) for row in found] == [
        ("acme", 300, 1.0, 3),
        ("down/eu", 0, 0.0, 3),
    ]
    for where, wanted in (
        ({"provider": "down"}, ["down/eu"]),
        ({"model": "a/x"}, ["acme", "down/eu"]),
        ({"model": "a/y"}, []),
        ({"author": "b"}, []),
    ):
        rows = ranking(here, "speed", week, where=where).rows
        assert [row["provider"] for row in rows] == wanted, where

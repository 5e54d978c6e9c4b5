"""Tokens by model, author, country, provider, weights, app, key and team."""

from collections.abc import Callable
from typing import Any

import pytest
from ranked_ledger import Ledger

from tokenworks.errors import BadRequest
from tokenworks.ledger.limit_rows import TeamRow
from tokenworks.ledger.rows import KeyRow
from tokenworks.rankings.books import Books
from tokenworks.rankings.views import ranking
from tokenworks.rankings.views.traffic import MEASURES, figures, input_of, tokens_of

MakeBooks = Callable[..., Books]
WEEK = "2026-02-20T10:00"


def rows(here: Books, view: str, *names: str, **more: Any) -> list[tuple[Any, ...]]:
    found = ranking(here, view, here.period("2026-W08"), **more).rows
    return [tuple(row[name] for name in names) for row in found]


def test_models_with_all_that_is_known_of_them(ledger: Ledger, books: MakeBooks) -> None:
    used = {
        "uncached_input_tokens": 60,
        "cache_read_tokens": 30,
        "cache_write_tokens": 10,
        "output_tokens": 20,
    }
    ledger.put(WEEK, 120, model="minimax/minimax-m2.5", times=2, cost_nano_usd=5 * 10**8, **used)
    ledger.put("2026-02-10T10:00", 60, model="minimax/minimax-m2.5")
    here = books()
    (row,) = ranking(here, "model", here.period("2026-W08")).rows
    assert row == {
        "rank": 1,
        "model": "minimax/minimax-m2.5",
        "author": "minimax",
        "country": "CN",
        "weights": "open",
        "tokens": 240,
        "share": 1.0,
        "change": 3.0,
        "rank_change": 0,
        "input_tokens": 200,
        "output_tokens": 40,
        "cached_share": 0.3,
        "requests": 2,
        "cost_usd": 1.0,
    }


def test_authors_countries_and_weights_are_told_of_the_same_traffic(ledger: Ledger, books: MakeBooks) -> None:
    for model, tokens in (
        ("minimax/minimax-m2.5", 50),
        ("moonshotai/kimi-k2.5", 30),
        ("openai/gpt-5.2", 15),
        ("nobody/knows", 5),
    ):
        ledger.put(WEEK, tokens, model=model)
    here = books()
    assert rows(here, "author", "rank", "author", "country", "share") == [
        (1, "minimax", "CN", 0.5),
        (2, "moonshotai", "CN", 0.3),
        (3, "openai", "US", 0.15),
        (4, "nobody", "", 0.05),
    ]
    assert rows(here, "country", "country", "title", "share") == [
        ("CN", "China", 0.8),
        ("US", "United States", 0.15),
        ("", "Unknown", 0.05),
    ]
    assert rows(here, "weights", "weights", "tokens") == [("open", 80), ("closed", 15), ("unknown", 5)]
    assert rows(here, "model", "model", where={"country": "cn"}, top=1) == [
        ("minimax/minimax-m2.5",),
        ("others",),
    ]
    assert rows(here, "model", "model", where={"country": "unknown"}) == [("nobody/knows",)]
    assert rows(here, "model", "model", where={"weights": "closed"}) == [("openai/gpt-5.2",)]
    assert rows(here, "author", "tokens", where={"author": "OpenAI"}) == [(15,)]


def test_providers_are_one_each_and_told_apart_when_narrowed(ledger: Ledger, books: MakeBooks) -> None:
    ledger.put(WEEK, 10, provider="acme/fp8")
    ledger.put(WEEK, 30, provider="acme")
    ledger.put(WEEK, 5, provider="acmeist")
    here = books()
    assert rows(here, "provider", "provider", "tokens") == [("acme", 40), ("acmeist", 5)]
    assert rows(here, "provider", "provider", "tokens", where={"provider": "acme"}) == [
        ("acme", 30),
        ("acme/fp8", 10),
    ]
    assert rows(here, "model", "tokens", where={"provider": "acme/fp8"}) == [(10,)]
    assert rows(here, "model", "tokens", where={"provider": "acme"}) == [(40,)]


def test_apps_keep_their_names_whatever_is_in_them(ledger: Ledger, books: MakeBooks) -> None:
    ledger.put(WEEK, 10, app="<script>alert(1)</script>", model="a/x")
    ledger.put(WEEK, 5, app="", model="b/y")
    here = books()
    assert rows(here, "app", "app", "tokens") == [("<script>alert(1)</script>", 10), ("", 5)]
    assert rows(here, "app", "app", where={"model": "b/y"}) == [("",)]
    assert rows(here, "model", "model", where={"app": "<script>alert(1)</script>"}) == [("a/x",)]


def test_keys_and_teams_by_name(ledger: Ledger, books: MakeBooks) -> None:
    ledger.store.add_team(TeamRow("t_1", "research", "", 1, 1))
    for key_id, name, team in (("k_1", "ann", "t_1"), ("k_2", "ann", "t_1"), ("k_3", "bob", "")):
        ledger.store.add_key(KeyRow(key_id, name, "member", "h", 1, None, key_id.encode() * 8, team_id=team))
    for key_id, tokens in (("k_1", 10), ("k_2", 20), ("k_3", 25), ("k_gone", 1)):
        ledger.put(WEEK, tokens, key_id=key_id, model=f"m/{key_id}")
    here = books()
    assert rows(here, "key", "key", "key_id", "team", "tokens") == [
        ("bob", "k_3", "", 25),
        ("ann", "k_2", "research", 20),
        ("ann", "k_1", "research", 10),
        ("k_gone", "k_gone", "", 1),
    ]
    assert rows(here, "team", "team", "tokens") == [("research", 30), ("", 26)]
    assert rows(here, "model", "model", where={"key": "ann"}) == [("m/k_2",), ("m/k_1",)]
    assert rows(here, "model", "model", where={"key": "k_3"}) == [("m/k_3",)]
    assert rows(here, "model", "model", where={"team": "research", "key": "k_1"}) == [("m/k_1",)]
    with pytest.raises(BadRequest, match="no key has that name or id"):
        rows(here, "model", "model", where={"key": "carol"})


def test_figures_follow_from_sums() -> None:
    sums = tuple(range(1, len(MEASURES) + 1))
    named = dict(zip(MEASURES, sums, strict=True))
    inputs = sum(named[n] for n in ("uncached_input_tokens", "cache_read_tokens", "cache_write_tokens"))
    assert (input_of(sums), tokens_of(sums)) == (inputs, inputs + named["output_tokens"])
    assert figures(sums)["cached_share"] == named["cache_read_tokens"] / inputs
    assert figures((0,) * len(MEASURES))["cached_share"] is None

"""Among which models is chosen: the caller's own, able and up, the dominated ones left out."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks.catalog.prices import UNKNOWN_PRICE
from tokenworks.gateway.roster import MOST, Roster, _best
from tokenworks.routing.knobs import Knobs
from tokenworks.routing.need import Need
from tokenworks.routing.wishes import NONE, Wishes
from tokenworks.schema import Endpoint, Price, Provider

ANY = Knobs(quality=0.9)


def endpoint(model: str, usd: float = 1.0, provider: str = "acme", **more: Any) -> Endpoint:
    price = more.pop("price", Price("p", usd, usd * 4))
    return Endpoint(model, provider, model, price, **({"context_length": 1000} | more))


class Shelf:
    """A catalogue of these endpoints."""

    def __init__(self, *endpoints: Endpoint, **models: Any) -> None:
        self.endpoints: dict[str, tuple[Endpoint, ...]] = {}
        for each in endpoints:
            self.endpoints[each.model] = (*self.endpoints.get(each.model, ()), each)
        self.models = models
        self.providers: dict[str, Provider] = {}
        self.priced_at = datetime(2026, 1, 1, tzinfo=UTC)

    def find(self, name: str) -> tuple[Endpoint, ...]:
        return self.endpoints.get(name, ())


class Ward:
    """The health of endpoints: those of these providers are down."""

    def __init__(self, *down: str) -> None:
        self.ill = down

    def find(self, endpoint: Endpoint) -> Any:
        down = endpoint.provider in self.ill
        return SimpleNamespace(troubled=down, down=lambda now: down)


def roster(*endpoints: Endpoint, down: tuple[str, ...] = (), right: Any = None, **models: Any) -> Roster:
    shelf: Any = Shelf(*endpoints, **models)
    ward: Any = Ward(*down)
    return Roster(shelf, ward, lambda names: [(right or {}).get(name, 0.5) for name in names])


def need(**more: Any) -> Need:
    return Need(**({"input_tokens": 100, "now": 0.0, "draw": lambda: 0.5} | more))


def test_what_the_caller_may_use() -> None:
    one = roster(endpoint("a/a"), endpoint("b/b", provider="beta"), endpoint("c/c", engine="tiny"))
    assert one.lists(ANY, None, None, local_only=False).short == ("a/a", "b/b", "c/c")
    assert one.lists(ANY, None, None, local_only=True).short == ("c/c",)
    assert one.lists(ANY, lambda e: e.provider == "beta", "k", local_only=False).short == ("b/b",)
    knobs = Knobs(quality=0.9, allowed=(("a/*", "b/*"),), excluded=("a/*",))
    assert one.lists(knobs, None, None, local_only=False).short == ("b/b",)


def test_no_model_that_makes_something_else_than_text() -> None:
    picture = SimpleNamespace(output_modalities=("image",))
    one = roster(endpoint("a/a"), endpoint("b/b"), **{"b/b": picture})
    assert one.lists(ANY, None, None, local_only=False).short == ("a/a",)


def test_lists_are_remembered_until_prices_change() -> None:
    one = roster(endpoint("a/a"))
    assert one.lists(ANY, None, None, local_only=False).short == ("a/a",)
    shelf: Any = one._catalog
    shelf.endpoints["b/b"] = (endpoint("b/b"),)
    assert one.lists(ANY, None, None, local_only=False).short == ("a/a",)
    shelf.priced_at = datetime(2026, 2, 1, tzinfo=UTC)
    assert one.lists(ANY, None, None, local_only=False).short == ("a/a", "b/b")
    for number in range(600):
        one.lists(Knobs(quality=0.9, strong=str(number)), None, None, local_only=False)
    assert len(one._lists) < 600


def test_rights_are_not_mixed_up() -> None:
    one = roster(endpoint("a/a"), endpoint("b/b"))
    assert one.lists(ANY, lambda e: e.model == "a/a", ("k1", 1), local_only=False).short == ("a/a",)
    assert one.lists(ANY, lambda e: e.model == "b/b", ("k2", 1), local_only=False).short == ("b/b",)


def test_the_best_and_the_cheapest_survive_a_long_list() -> None:
    names = [f"m/{number:03}" for number in range(100)]
    right = {name: (number % 50) / 60 for number, name in enumerate(names)}
    endpoints = [endpoint(name, 1 + number) for number, name in enumerate(names)]
    one = roster(*endpoints, endpoint("u/unknown", price=UNKNOWN_PRICE), right={**right, "u/unknown": 0.99})
    found = one.lists(Knobs(quality=0.9, strong="m/075"), None, None, local_only=False).short
    assert len(found) <= MOST + 1 and len(set(found)) == len(found)
    assert {"m/000", "m/075", "u/unknown"} <= set(found)
    found = roster(*endpoints, right=right).lists(ANY, None, None, local_only=False).short
    assert len(found) == MOST and {"m/000", "m/049"} <= set(found)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.floats(0.01, 100), st.floats(0, 1)), min_size=25, max_size=60))
def test_what_is_left_out_is_dominated_or_near_another(pairs: list[tuple[float, float]]) -> None:
    models = [f"m/{number}" for number in range(len(pairs))]
    cost = {name: usd for name, (usd, _) in zip(models, pairs, strict=True)}
    right = {name: share for name, (_, share) in zip(models, pairs, strict=True)}
    found = _best(list(models), cost, right, "")
    assert len(found) <= MOST and set(found) <= set(models)
    assert max(right[name] for name in found) == max(right.values())
    assert min(cost[name] for name in found) == min(cost.values())
    assert [cost[name] for name in found] == sorted(cost[name] for name in found)


# --- of one request ---------------------------------------------------------------------------------


def test_models_that_are_down_come_only_where_no_other_is_left() -> None:
    both = [endpoint("a/a", provider="ill"), endpoint("b/b")]
    entries, _ = roster(*both, down=("ill",)).able(("a/a", "b/b"), NONE, need(), None, local_only=False)
    assert [each.model for each in entries] == ["b/b"]
    entries, _ = roster(*both, down=("ill", "acme")).able(
        ("a/a", "b/b"), NONE, need(), None, local_only=False
    )
    assert [each.model for each in entries] == ["a/a", "b/b"]


def test_the_price_is_that_of_an_endpoint_that_is_up() -> None:
    one = roster(endpoint("a/a", 1, "ill"), endpoint("a/a", 2, "acme"), down=("ill",))
    ((entry,), _) = one.able(("a/a",), NONE, need(), None, local_only=False)
    assert entry.price_of.provider == "acme"


LACKING = [
    ({"input_tokens": 900, "max_output_tokens": 200}, {}),
    ({"modalities": frozenset(("image",))}, {"input_modalities": ("text",)}),
    ({"parameters": frozenset(("tools",))}, {"supported_parameters": ("temperature",)}),
    ({"parameters": frozenset(("thinking",))}, {"supported_parameters": ("tools",)}),
    ({"parameters": frozenset(("structured_outputs", "response_format"))}, {"supported_parameters": ()}),
]
ABLE = {"context_length": 5000, "input_modalities": ("text", "image")}
ABLE["supported_parameters"] = ("tools", "reasoning", "response_format")


@pytest.mark.parametrize(("wanted", "has"), LACKING)
def test_what_surely_can_not_do_it_comes_last(wanted: dict[str, Any], has: dict[str, Any]) -> None:
    one = roster(endpoint("a/a", **has), endpoint("b/b", **ABLE))  # type: ignore[arg-type]
    entries, _ = one.able(("a/a", "b/b"), NONE, need(**wanted), None, local_only=False)
    assert [each.model for each in entries] == ["b/b"]
    entries, _ = one.able(("a/a",), NONE, need(**wanted), None, local_only=False)
    assert [each.model for each in entries] == ["a/a"], "it may be better than nothing"


def test_wishes_and_sizes_keep_models_out_and_say_why() -> None:
    one = roster(endpoint("a/a"), endpoint("b/b", provider="beta"))
    entries, excluded = one.able(("a/a", "b/b"), Wishes(only=("beta",)), need(), None, local_only=False)
    assert [each.model for each in entries] == ["b/b"] and [each.by for each in excluded] == ["only"]
    entries, excluded = one.able(("a/a", "b/b"), NONE, need(input_tokens=10_000), None, local_only=False)
    assert entries == [] and {each.by for each in excluded} == {"context_length"}
    assert one.able(("x/x",), NONE, need(), None, local_only=False) == ([], [])
    assert one.able(("a/a",), NONE, need(), None, local_only=True) == ([], [])
    assert one.able(("a/a",), NONE, need(), lambda _: False, local_only=False) == ([], [])


def test_rules_and_odd_requests_look_at_the_whole_list() -> None:
    endpoints = [endpoint(f"m/{number:03}", 1 + number) for number in range(100)]
    right = {each.model: number / 100 for number, each in enumerate(endpoints)}
    one = roster(*endpoints, right=right)
    lists = one.lists(ANY, None, None, local_only=False)
    assert len(lists.whole) == 100 and set(lists.short) < set(lists.whole)
    entries, _ = one.able(lists.whole, NONE, need(), None, local_only=False)
    few = one.shortened(entries, "m/050")
    assert MOST <= len(few) <= MOST + 1 and {"m/000", "m/050", "m/099"} <= {each.model for each in few}
    assert one.shortened(entries[:3], "") == entries[:3]

"""What is wished of ``auto``: read, refused, taken together, and what it leaves of the models."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.config.auto import AutoSettings, KeyRouting, RouteUse
from tokenworks.errors import BadRequest
from tokenworks.routing.knobs import (
    FIELDS,
    NOTHING,
    CostTier,
    Knobs,
    Wanted,
    merged,
    narrowed,
    of_fields,
    of_headers,
    of_key,
    of_rule,
)
from tokenworks.wire.peek import peek

AUTO = AutoSettings()


def said(**fields: Any) -> Wanted:
    return of_fields(peek(msgspec.json.encode(fields)))


def plugin(**fields: Any) -> Wanted:
    return said(plugins=[{"id": "web"}, {"id": "auto-router", **fields}, "x"])


def test_a_request_that_wishes_nothing() -> None:
    assert said(model="auto", messages=[]) is NOTHING
    assert said(quality=None, max_cost=None, cascade=None, strong=None) == NOTHING
    assert said(plugins=None) == said(plugins=[]) == said(plugins=[{"id": "web", "cost_tier": 7}]) == NOTHING
    assert of_headers({b"user-agent": b"x"}) is NOTHING


def test_what_a_request_wishes() -> None:
    assert said(quality=0.9, max_cost=0.01, strong="acme/large") == Wanted(
        quality=0.9, max_cost_usd=0.01, strong="acme/large"
    )
    assert said(quality=1, max_cost=0) == Wanted(quality=1.0, max_cost_usd=0.0)
    assert said(cascade=False) == Wanted(cascade=False)
    assert said(cascade=True) == Wanted(cascade=True)
    assert said(cascade={}) == Wanted(cascade=True)
    assert said(cascade={"buffer": True}) == Wanted(cascade=True, buffer=True)


def test_what_headers_wish() -> None:
    assert of_headers({b"x-tokenworks-quality": b"0.8"}) == Wanted(quality=0.8)
    assert of_headers({b"x-tokenworks-max-cost": b" 0.02 "}) == Wanted(max_cost_usd=0.02)


def test_what_the_plugin_wishes() -> None:
    assert plugin() == NOTHING
    assert plugin(allowed_models=["acme/*"], excluded_models=["*-mini"], cost_tier="high", enabled=True) == (
        Wanted(allowed=("acme/*",), excluded=("*-mini",), cost_tier="high")
    )
    assert plugin(enabled=False, allowed_models=["acme/*"]) == NOTHING
    assert plugin(allowed_models=None, pin_model=True, later="x") == NOTHING
    twice = said(
        plugins=[{"id": "auto-router", "cost_tier": "low"}, {"id": "auto-router", "cost_tier": "max"}]
    )
    assert twice.cost_tier == "max"


@pytest.mark.parametrize(
    ("tradeoff", "tier"),
    [
        (0, "max"),
        (2, "max"),
        (2.5, "xhigh"),
        (4, "xhigh"),
        (5, "high"),
        (7, "medium"),
        (9, "low"),
        (10, "low"),
    ],
)
def test_the_older_knob(tradeoff: float, tier: str) -> None:
    assert plugin(cost_quality_tradeoff=tradeoff).cost_tier == tier
    assert plugin(cost_quality_tradeoff=tradeoff, cost_tier="low").cost_tier == "low"


BAD: list[tuple[dict[str, Any], str]] = [
    ({"quality": 1.01}, "'quality' must be a number from 0 to 1"),
    ({"quality": -0.1}, "'quality' must be a number from 0 to 1"),
    ({"quality": "0.9"}, "'quality' must be a number from 0 to 1"),
    ({"quality": True}, "'quality' must be a number from 0 to 1"),
    ({"max_cost": 10**18}, "'max_cost' must be a number from 0 to 1000000"),
    ({"max_cost": [1]}, "'max_cost' must be a number from 0 to 1000000"),
    ({"cascade": 1}, "'cascade' must be true, false or {\"buffer\": true}"),
    ({"cascade": {"buffer": 1}}, "'cascade' must be true, false or {\"buffer\": true}"),
    ({"cascade": {"depth": 1}}, "'cascade' must be true, false or {\"buffer\": true}"),
    ({"strong": 1}, "'strong' must be the name of a model"),
    ({"strong": " "}, "'strong' must be the name of a model"),
    ({"plugins": {"id": "auto-router"}}, "'plugins' must be a list of objects with an id"),
]
BAD_PLUGIN: list[tuple[dict[str, Any], str]] = [
    ({"enabled": "no"}, "'plugins: enabled' must be true or false"),
    ({"cost_tier": "cheap"}, "'plugins: cost_tier' must be one of low, medium, high, xhigh, max"),
    ({"cost_tier": ["low"]}, "'plugins: cost_tier' must be one of low, medium, high, xhigh, max"),
    ({"cost_quality_tradeoff": 11}, "'plugins: cost_quality_tradeoff' must be a number from 0 to 10"),
    ({"allowed_models": "acme/*"}, "'plugins: allowed_models' must be a list of patterns such as acme/*"),
    ({"allowed_models": [1]}, "'plugins: allowed_models' must be a list of patterns such as acme/*"),
    ({"excluded_models": [""]}, "'plugins: excluded_models' must be a list of patterns such as acme/*"),
    (
        {"allowed_models": ["a"] * 101},
        "'plugins: allowed_models' must have at most 100 patterns and 2000 characters",
    ),
    (
        {"excluded_models": ["*" * 150] * 14},
        "'plugins: excluded_models' must have at most 100 patterns and 2000 characters",
    ),
]


@pytest.mark.parametrize(
    ("fields", "message"),
    [*BAD, *(({"plugins": [{"id": "auto-router", **fields}]}, message) for fields, message in BAD_PLUGIN)],
)
def test_bad_values_are_refused_in_one_line(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        said(**fields)
    assert str(caught.value) == message


@pytest.mark.parametrize("body", [b'{"quality": .5}', b'{"quality": 1e999}', b'{"strong": "\xff"}'])
def test_bad_json_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        of_fields(peek(body))


@pytest.mark.parametrize("value", [b"", b"x", b"nan", b"inf", b"-0.1", b"1.1", b"\xff", b"0" * 40])
def test_bad_headers_are_refused(value: bytes) -> None:
    with pytest.raises(BadRequest, match=r"^header 'x-tokenworks-quality' must be a number from 0 to 1$"):
        of_headers({b"x-tokenworks-quality": value})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("ab*é", max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab*é", max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(
    st.dictionaries(st.sampled_from([*FIELDS, "plugins"]), json_values, max_size=3),
    st.dictionaries(
        st.sampled_from(
            ["allowed_models", "excluded_models", "cost_tier", "cost_quality_tradeoff", "enabled"]
        ),
        json_values,
    ),
)
def test_any_values_are_read_or_refused(fields: dict[str, Any], inner: dict[str, Any]) -> None:
    for each in (fields, {**fields, "plugins": [{"id": "auto-router", **inner}]}):
        try:
            knobs = merged(AUTO, said(**each))
        except BadRequest as error:
            assert "\n" not in str(error)
        else:
            assert 0 <= knobs.quality <= 1
            narrowed([("acme/fast", 1.0), ("acme/large", None)], knobs)


# --- taken together ----------------------------------------------------------------------------


def test_settings_alone() -> None:
    auto = AutoSettings(
        quality=0.5, models=("acme/*",), exclude=("*-x",), strong="s", max_cost_usd=1.0, cascade=False
    )
    assert (
        merged(auto)
        == merged(auto, NOTHING, Wanted())
        == Knobs(0.5, 1.0, False, False, (("acme/*",),), ("*-x",), None, "s")
    )


def test_the_last_to_speak_has_the_last_word() -> None:
    auto = AutoSettings(quality=0.1, cascade=True, max_cost_usd=1.0, strong="a")
    key = of_key(KeyRouting(quality=0.2, max_cost_usd=0.5, cascade=False))
    header, request = Wanted(quality=0.3), Wanted(quality=0.0)
    assert merged(auto, key).quality == 0.2
    assert merged(auto, key, header).quality == 0.3
    assert merged(auto, key, header, request).quality == 0.0
    every = merged(auto, key, header, request)
    assert (every.max_cost_usd, every.cascade, every.strong) == (0.5, False, "a")
    rule = of_rule(RouteUse(("m",), quality=0.9, cascade=True, strong="b"))
    ruled = merged(auto, key, header, request, rule)
    assert (ruled.quality, ruled.max_cost_usd, ruled.cascade, ruled.strong) == (0.9, 0.5, True, "b")


def test_models_are_only_narrowed() -> None:
    auto = AutoSettings(models=("acme/*", "other/*"), exclude=("*-x",))
    key = of_key(KeyRouting(allowed=("acme/*",), excluded=("*-y",)))
    knobs = merged(auto, key, Wanted(allowed=("*",), excluded=("*-z", "*-x")))
    models = ["acme/a", "acme/a-x", "acme/a-y", "acme/a-z", "other/a", "third/a", "ACME/B"]
    assert narrowed([(model, 1.0) for model in models], knobs) == ("acme/a", "ACME/B")


# --- tiers of cost -----------------------------------------------------------------------------

TIERS: tuple[CostTier, ...] = ("low", "medium", "high", "xhigh", "max")
SIX = [("f", 6.0), ("a", 1.0), ("c", 3.0), ("b", 2.0), ("e", 5.0), ("d", 4.0)]  # percentiles 0, 20 … 100


@pytest.mark.parametrize(
    ("tier", "models"),
    [("low", ("a",)), ("medium", ("b",)), ("high", ("c",)), ("xhigh", ("d",)), ("max", ("f", "e"))],
)
def test_tiers_are_fifths_of_the_percentiles(tier: Any, models: tuple[str, ...]) -> None:
    assert narrowed(SIX, Knobs(1.0, cost_tier=tier)) == models


def test_tiers_are_of_what_may_be_chosen() -> None:
    knobs = Knobs(1.0, allowed=(("d", "e", "f"),), cost_tier="low")
    assert narrowed(SIX, knobs) == ("d",)


@pytest.mark.parametrize(
    ("costs", "tier", "left"),
    [
        ([], "low", ""),
        ([1.0], "max", "a"),
        ([1.0, 2.0], "low", "a"),
        ([1.0, 2.0], "medium", "a"),  # the nearest: 0 is 20 away, 100 is 60
        ([1.0, 2.0], "xhigh", "b"),
        ([2.0, 2.0], "max", "ab"),  # equals are never told apart
        ([None, 1.0, 2.0], "low", "b"),
        ([None, 1.0, 2.0], "max", "a"),
        ([None, None], "low", "ab"),
    ],
)
def test_few_models_and_unknown_prices(costs: list[float | None], tier: Any, left: str) -> None:
    models = list(zip("abc", costs, strict=False))
    assert "".join(narrowed(models, Knobs(1.0, cost_tier=tier))) == left


@given(st.lists(st.none() | st.floats(0, 10), min_size=1, max_size=12))
def test_every_model_is_in_some_tier_and_no_tier_is_empty(costs: list[float | None]) -> None:
    models = [(str(at), cost) for at, cost in enumerate(costs)]
    tiers = [narrowed(models, Knobs(1.0, cost_tier=tier)) for tier in TIERS]
    assert all(tiers)
    assert {model for tier in tiers for model in tier} == {model for model, _ in models}
    known = {model: math.inf if cost is None else cost for model, cost in models}
    dearest = [max(known[model] for model in tier) for tier in tiers]
    assert dearest == sorted(dearest)

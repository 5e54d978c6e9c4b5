"""The whole choice: filters, policy, the caller's order, models behind models, and health above all."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.config.settings import RoutingSettings
from tokenworks.errors import BadRequest
from tokenworks.routing.affinity import Kept
from tokenworks.routing.choose import POLICIES, Choice, choose
from tokenworks.routing.eligible import eligible
from tokenworks.routing.health import Health
from tokenworks.routing.leading import Lead
from tokenworks.routing.need import Need
from tokenworks.routing.place import place_of
from tokenworks.routing.replicas import Replicas
from tokenworks.routing.wishes import NONE, Cutoffs, MaxPrice, Wishes
from tokenworks.schema import Endpoint, Price, Provider

Make = Callable[..., Endpoint]
Ask = Callable[..., Need]
Pick = Callable[..., list[str]]

PROVIDERS = {"c": Provider("c", "The Third", "openai_chat", "https://c.example")}


def named(endpoints: Sequence[Endpoint]) -> list[str]:
    return [each.provider for each in endpoints]


@pytest.fixture
def abc(endpoint: Make) -> list[Endpoint]:
    return [endpoint("a", 1.0), endpoint("b", 2.0), endpoint("c", 3.0)]


@pytest.fixture
def pick(need: Ask, health: Health) -> Pick:
    """Names in the chosen order; the last choice made is its ``.last``."""

    def run(*groups: Sequence[Endpoint], wishes: Wishes = NONE, **more: Any) -> list[str]:
        kept, settings = more.pop("kept", None), more.pop("settings", RoutingSettings())
        run.last = choose(groups, wishes, need(**more), PROVIDERS, health, kept, settings)  # type: ignore[attr-defined]
        return named(run.last.endpoints)  # type: ignore[attr-defined]

    return run


def down(health: Health, *endpoints: Endpoint) -> None:
    for each in endpoints:
        health.of(each).failed("rate_limited", 999.0, 60.0)


# --- which policy -------------------------------------------------------------------------------


def test_without_wishes_the_setting_decides(abc: list[Endpoint], pick: Pick) -> None:
    dearest_first = list(reversed(abc))
    for policy in ("balanced", "price", "throughput", "latency"):
        settings = RoutingSettings(policy=policy)  # type: ignore[arg-type]
        assert pick(dearest_first, settings=settings) == ["a", "b", "c"]
        assert pick.last.strategy == policy  # type: ignore[attr-defined]
        assert pick(dearest_first, wishes=Wishes(sort="exacto"), settings=settings) == ["a", "b", "c"]
        assert pick.last.strategy == "exacto"  # type: ignore[attr-defined]


def test_balanced_is_the_default(abc: list[Endpoint], need: Ask, health: Health) -> None:
    asked = need(seed=5)
    first = Counter(choose([abc], NONE, asked, {}, health).endpoints[0].provider for _ in range(5000))
    assert first["a"] / 5000 == pytest.approx(1 / (1 + 1 / 4 + 1 / 9), abs=0.02)
    asked = need(seed=5)
    sorted_ = {
        choose([abc], Wishes(sort="price"), asked, {}, health).endpoints[0].provider for _ in range(200)
    }
    assert sorted_ == {"a"}, "a sort is no draw"


def test_one_endpoint_is_no_choice(endpoint: Make, need: Ask, health: Health) -> None:
    def never() -> float:
        raise AssertionError("nothing is drawn")

    one = (endpoint("a"),)
    made = choose([one], NONE, need(draw=never), {}, health)
    assert made == Choice(one, "single")
    made = choose([[*one, endpoint("b")]], Wishes(only=("a",)), need(draw=never), {}, health)
    assert (named(made.endpoints), made.strategy, [each.tag for each in made.excluded]) == (
        ["a"],
        "single",
        ["b"],
    )


# --- the caller's order -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        (Wishes(order=("c", "a")), ["c", "a", "b"]),
        (Wishes(order=("the third",)), ["c", "a", "b"]),
        (Wishes(order=("unknown", "b")), ["b", "a", "c"]),
        (Wishes(order=("c", "a"), allow_fallbacks=False), ["c", "a"]),
        (Wishes(order=("c",), only=("a", "b")), ["a", "b"]),
        (Wishes(order=("b",), ignore=("a",)), ["b", "c"]),
        (Wishes(order=("b",), sort="price"), ["b", "a", "c"]),
    ],
)
def test_an_order_is_followed(abc: list[Endpoint], pick: Pick, wishes: Wishes, expected: list[str]) -> None:
    assert pick(abc, wishes=wishes) == expected
    assert pick.last.strategy == "order"  # type: ignore[attr-defined]


def test_an_order_is_never_drawn_and_knows_no_session(
    abc: list[Endpoint], endpoint: Make, pick: Pick
) -> None:
    abc[1] = endpoint("b", 1.1, cached=0.0)
    kept = Kept(place_of(abc[1]), 900, 0.0)
    assert pick(abc, wishes=Wishes(sort="price"), kept=kept) == ["b", "a", "c"]
    found = {tuple(pick(abc, wishes=Wishes(order=("c",)), kept=kept, seed=seed)) for seed in range(100)}
    assert found == {("c", "a", "b")}


def test_an_order_may_name_one_quantization(endpoint: Make, pick: Pick) -> None:
    several = [
        endpoint("a", 1.0, quantization="fp4"),
        endpoint("a", 3.0, quantization="fp8"),
        endpoint("b", 2.0),
    ]
    found = pick(several, wishes=Wishes(order=("a/fp8", "b")))
    assert [each.tag for each in pick.last.endpoints] == ["a/fp8", "b", "a/fp4"]  # type: ignore[attr-defined]
    assert found == ["a", "b", "a"]
    pick(several, wishes=Wishes(order=("a",)))
    assert [each.tag for each in pick.last.endpoints] == ["a/fp4", "a/fp8", "b"]  # type: ignore[attr-defined]


def test_without_fallbacks_there_is_one(
    abc: list[Endpoint], endpoint: Make, pick: Pick, health: Health
) -> None:
    alone = Wishes(allow_fallbacks=False)
    assert pick(abc, wishes=alone) == ["a"]
    assert pick(abc, [endpoint("d", model="a/n")], wishes=alone) == ["a"], "nor another model"
    down(health, abc[0])
    assert pick(abc, wishes=alone) == ["b"]


# --- sessions -----------------------------------------------------------------------------------


def test_a_session_stays(abc: list[Endpoint], pick: Pick, health: Health) -> None:
    kept = Kept(place_of(abc[2]), 900, 0.0)
    assert {pick(abc, kept=kept, seed=seed)[0] for seed in range(50)} == {"c"}
    assert pick.last.strategy == "sticky"  # type: ignore[attr-defined]
    down(health, abc[2])
    assert pick(abc, kept=kept) == ["a", "b", "c"]
    assert pick.last.strategy == "balanced"  # type: ignore[attr-defined]


def test_a_session_stays_at_its_engine_though_others_share_the_tag(endpoint: Make, pick: Pick) -> None:
    several = [endpoint("local", 0.0, upstream_id=name, engine=name) for name in ("one", "two", "three")]
    kept = Kept(place_of(several[1]), 0, 0.0)
    for seed in range(20):
        pick(several, kept=kept, seed=seed)
        assert pick.last.endpoints[0].engine == "two"  # type: ignore[attr-defined]


# --- what an endpoint may fall short of ---------------------------------------------------------


@pytest.mark.parametrize("field", ["tools", "tool_choice", "response_format"])
def test_those_that_would_drop_what_matters_come_later(endpoint: Make, pick: Pick, field: str) -> None:
    several = [
        endpoint("deaf", 1.0, supported_parameters=("temperature",)),
        endpoint("unknown", 2.0),
        endpoint("able", 3.0, supported_parameters=("tools", "tool_choice", "response_format")),
    ]
    assert pick(several, parameters=frozenset(("model", field))) == ["unknown", "able", "deaf"]
    assert pick(several, parameters=frozenset(("model", "top_k"))) == ["deaf", "unknown", "able"]
    required = Wishes(require_parameters=True)
    assert pick(several, wishes=required, parameters=frozenset(("model", field))) == ["able"]


def test_those_not_known_to_see_come_later(endpoint: Make, pick: Pick) -> None:
    several = [endpoint("default", 1.0), endpoint("sees", 9.0, input_modalities=("text", "image"))]
    assert pick(several) == ["default", "sees"]
    assert pick(several, modalities=frozenset(("image",))) == ["sees", "default"]


def test_those_that_are_nearly_too_short_come_later(endpoint: Make, pick: Pick) -> None:
    several = [endpoint("short", 1.0, context_length=4000), endpoint("long", 9.0)]
    assert pick(several, input_tokens=3000, max_output_tokens=1000) == ["short", "long"]
    assert pick(several, input_tokens=3000, max_output_tokens=1001) == ["long", "short"]
    assert pick(several, input_tokens=8001) == ["long"]


def test_a_wished_speed_only_moves_the_slower_back(abc: list[Endpoint], pick: Pick, health: Health) -> None:
    for each, seconds in zip(abc, (8.0, 1.0), strict=False):  # nothing is known of c
        for _ in range(10):
            health.of(each).first_token(seconds / 2, 990.0)
            health.of(each).succeeded(seconds, 100, 990.0)
        health.of(each).first_token(seconds * 3, 990.0)
    price = Wishes(sort="price")
    assert pick(abc, wishes=price) == ["a", "b", "c"]
    for wished, expected in (
        ({"min_throughput": Cutoffs(p50=50.0)}, ["b", "c", "a"]),
        ({"min_throughput": Cutoffs(p50=10.0)}, ["a", "b", "c"]),
        ({"max_latency": Cutoffs(p50=1.0)}, ["b", "c", "a"]),
        ({"max_latency": Cutoffs(p50=5.0)}, ["a", "b", "c"]),
        ({"max_latency": Cutoffs(p50=5.0, p99=5.0)}, ["b", "c", "a"]),
        ({"max_latency": Cutoffs(p99=1.0)}, ["c", "a", "b"]),
    ):
        assert pick(abc, wishes=Wishes(sort="price", **wished)) == expected  # type: ignore[arg-type]


# --- health -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wishes",
    [NONE, *(Wishes(sort=sort) for sort in POLICIES if sort != "balanced"), Wishes(order=("a",))],  # type: ignore[arg-type]
)
def test_what_is_down_comes_last_and_stays(
    abc: list[Endpoint], pick: Pick, health: Health, wishes: Wishes
) -> None:
    down(health, abc[0])
    assert pick(abc, wishes=wishes) == ["b", "c", "a"]
    down(health, abc[1])
    assert pick(abc, wishes=wishes) == ["c", "a", "b"]
    down(health, abc[2])
    assert pick(abc, wishes=wishes) == ["a", "b", "c"], "all are down: better the same order than none"
    assert pick(abc, wishes=wishes, now=1059.0) == ["a", "b", "c"]


# --- several models -----------------------------------------------------------------------------


def test_another_model_is_a_fallback(abc: list[Endpoint], endpoint: Make, pick: Pick, health: Health) -> None:
    cheaper = [endpoint("d", 0.1, model="a/n"), endpoint("e", 0.2, model="a/n")]
    assert pick(abc, cheaper) == ["a", "b", "c", "d", "e"]
    assert pick(abc, cheaper, wishes=Wishes(sort="price")) == ["a", "b", "c", "d", "e"]
    assert pick(abc, cheaper, wishes=Wishes(order=("e", "b"))) == ["b", "a", "c", "e", "d"]
    down(health, abc[0], cheaper[0])
    assert pick(abc, cheaper) == ["b", "c", "e", "a", "d"]


def test_without_partition_all_models_are_one_market(abc: list[Endpoint], endpoint: Make, pick: Pick) -> None:
    other = [endpoint("d", 0.1, model="a/n"), endpoint("e", 2.5, model="a/n")]
    assert pick(abc, other, wishes=Wishes(sort="price", partition="none")) == ["d", "a", "b", "e", "c"]
    assert pick(abc, other, wishes=Wishes(order=("e", "b"), partition="none")) == ["e", "b", "d", "a", "c"]


def test_a_model_named_twice_is_tried_once(abc: list[Endpoint], pick: Pick) -> None:
    assert pick(abc, abc, abc[:1]) == ["a", "b", "c"]
    assert pick(abc[:1], abc[:1]) == ["a"]


def test_a_model_without_endpoints_left_leaves_the_others(
    abc: list[Endpoint], endpoint: Make, pick: Pick
) -> None:
    other = [endpoint("d", model="a/n")]
    assert pick(abc, other, wishes=Wishes(only=("d",))) == ["d"]
    assert [each.by for each in pick.last.excluded] == ["only"] * 3  # type: ignore[attr-defined]
    with pytest.raises(
        BadRequest, match=r"no endpoint of a/m or a/n may serve .* d \(a/n\): not named in 'only'"
    ):
        pick(abc, other, wishes=Wishes(only=("nobody",)))


@pytest.mark.parametrize("groups", [[], [[]], [[], []]])
def test_no_endpoints_at_all(groups: list[list[Endpoint]], pick: Pick) -> None:
    with pytest.raises(BadRequest, match="no endpoint serves this model"):
        pick(*groups)


# --- anything -----------------------------------------------------------------------------------

SOME_ENDPOINTS = st.lists(
    st.builds(
        Endpoint,
        model=st.sampled_from(["a/m", "a/n"]),
        provider=st.sampled_from("abcd"),
        upstream_id=st.sampled_from("xyz"),
        price=st.sampled_from([Price("unknown", 0, 0), Price("f", 0, 0), Price("o", 1, 1), Price("t", 9, 3)]),
        context_length=st.sampled_from([300, 100_000]),
        engine=st.sampled_from([None, "one"]),
        supported_parameters=st.sampled_from([None, (), ("tools",)]),
        input_modalities=st.sampled_from([("text",), ("text", "image")]),
    ),
    max_size=6,
)
SOME_WISHES = st.builds(
    Wishes,
    order=st.sampled_from([(), ("b",), ("d", "a")]),
    only=st.sampled_from([(), ("a", "b", "c")]),
    ignore=st.sampled_from([(), ("a",)]),
    require_parameters=st.booleans(),
    sort=st.sampled_from([None, "price", "throughput", "latency", "exacto"]),
    partition=st.sampled_from(["model", "none"]),
    max_price=st.sampled_from([None, MaxPrice(prompt=2.0)]),
    min_throughput=st.sampled_from([None, Cutoffs(p90=30.0)]),
) | st.just(NONE)


@given(
    st.lists(SOME_ENDPOINTS, max_size=3),
    SOME_WISHES,
    st.integers(0, 2**32),
    st.frozensets(st.sampled_from(["tools", "image"])),
)
def test_the_choice_is_a_permutation_of_what_may_serve(
    groups: list[list[Endpoint]], wishes: Wishes, seed: int, wants: frozenset[str]
) -> None:
    chance = random.Random(seed)
    health = Health(RoutingSettings())
    everyone = [each for group in groups for each in group]
    for each in everyone:
        for _ in range(chance.randrange(4)):
            vitals = health.of(each)
            vitals.succeeded(chance.uniform(0.1, 9), chance.randrange(500), 990.0)
            vitals.failed(chance.choice(("timeout", "rate_limited", "auth")), 995.0)
    kept = Kept(place_of(chance.choice(everyone)), 100, 900.0) if everyone else None
    need = Need(400, 1000.0, chance.random, parameters=wants & {"tools"}, modalities=wants & {"image"})
    may = [eligible(group, wishes, need, PROVIDERS)[0] for group in groups]
    allowed = [each for group in may for each in group]
    try:
        found = choose(groups, wishes, need, PROVIDERS, health, kept).endpoints
    except BadRequest:
        assert not allowed
        return
    if wishes is NONE and len(everyone) == 1 and len(groups) == 1:
        assert list(found) == everyone
        return
    assert sorted(map(id, found)) == sorted(map(id, allowed))
    lying = [each for each in found if (vitals := health.find(each)) is not None and vitals.down(1000.0)]
    assert list(map(id, found[len(found) - len(lying) :])) == list(map(id, lying))


# --- equals -------------------------------------------------------------------------------------


def engines(endpoint: Make, count: int = 4) -> list[Endpoint]:
    return [endpoint("local", 0.0, upstream_id=f"e{number}", engine=f"e{number}") for number in range(count)]


def long(number: int) -> Lead:
    return Lead(b"", b"%07d " % number * 200)


def test_equals_go_by_how_the_prompt_begins(endpoint: Make, need: Ask, health: Health) -> None:
    own, paid, replicas = engines(endpoint), endpoint("paid", 1.0), Replicas()
    for policy in ("balanced", "price"):
        homes = set()
        for number in range(20):
            seen = set()
            for seed in range(5):  # of the draw
                asked = need(seed=seed, lead=long(number))
                made = choose(
                    [[*own, paid]], Wishes(sort=policy), asked, PROVIDERS, health, replicas=replicas
                )
                assert made.equals and made.endpoints[-1] is paid
                seen.add(made.endpoints[0].upstream_id)
            assert len(seen) == 1
            homes |= seen
        assert len(homes) == 4


def test_other_orders_are_left_alone(endpoint: Make, need: Ask, health: Health) -> None:
    own, replicas = engines(endpoint, 3), Replicas()
    for wishes in (
        Wishes(sort="throughput"),
        Wishes(sort="latency"),
        Wishes(sort="exacto"),
        Wishes(order=("local",)),
    ):
        for number in range(10):
            made = choose([own], wishes, need(lead=long(number)), PROVIDERS, health, replicas=replicas)
            assert not made.equals
            assert [each.upstream_id for each in made.endpoints] == ["e0", "e1", "e2"]
    one = choose([own[:1]], NONE, need(lead=long(1)), PROVIDERS, health, replicas=replicas)
    assert (one.strategy, one.equals) == ("single", False)


def test_what_may_fall_short_or_is_down_comes_behind_its_equals(
    endpoint: Make, need: Ask, health: Health
) -> None:
    own, replicas = engines(endpoint), Replicas()
    first = choose([own], NONE, need(lead=long(1)), PROVIDERS, health, replicas=replicas).endpoints[0]
    small = [
        endpoint("local", 0.0, upstream_id=each.upstream_id, engine=each.engine, context_length=900)
        if each is first
        else each
        for each in own
    ]
    made = choose([small], NONE, need(lead=long(1)), PROVIDERS, health, replicas=replicas)
    assert made.endpoints[-1].upstream_id == first.upstream_id
    down(health, first)
    made = choose([own], NONE, need(lead=long(1)), PROVIDERS, health, replicas=replicas)
    assert made.endpoints[-1] is first

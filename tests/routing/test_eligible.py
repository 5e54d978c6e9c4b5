"""Each thing that keeps an endpoint out, alone and together, and what the caller is told of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.catalog.prices import UNKNOWN_PRICE, is_free
from tokenworks.errors import render
from tokenworks.routing.eligible import MAX_NAMED, Excluded, eligible, names, refusal, unsupported
from tokenworks.routing.need import Need
from tokenworks.routing.wishes import NONE, MaxPrice, Wishes
from tokenworks.schema import Endpoint, Price, PriceTier, Provider

Make = Callable[..., Endpoint]
Ask = Callable[..., Need]


def provider(name: str, **more: Any) -> Provider:
    return Provider(name, more.pop("title", name.title()), "openai_chat", "https://x.example", **more)


PROVIDERS = {
    "acme": provider("acme", title="Acme Inc.", trains_on_prompts=False, zero_retention=True),
    "keeps": provider("keeps", trains_on_prompts=False),
    "trains": provider("trains", trains_on_prompts=True),
    "silent": provider("silent"),
}


def barrier(one: Endpoint, wishes: Wishes, need: Need) -> str:
    """By what ``one`` is kept out; "" if it is not."""
    left, excluded = eligible([one], wishes, need, PROVIDERS)
    assert len(left) + len(excluded) == 1
    if left:
        assert left[0] is one
        return ""
    assert (excluded[0].tag, excluded[0].model) == (one.tag, one.model)
    assert excluded[0].why
    return excluded[0].by


def test_without_wishes_all_are_left_in_their_order(endpoint: Make, need: Ask) -> None:
    several = [endpoint("b"), endpoint("a"), endpoint("c")]
    left, excluded = eligible(several, NONE, need(), {})
    assert [each.provider for each in left] == ["b", "a", "c"]
    assert excluded == []


@pytest.mark.parametrize("name", ["acme", "acme/fp8", "acme inc."])
def test_by_name(endpoint: Make, need: Ask, name: str) -> None:
    one, other = endpoint("acme", quantization="fp8"), endpoint("keeps", quantization="fp8")
    assert barrier(one, Wishes(only=(name,)), need()) == ""
    assert barrier(other, Wishes(only=(name,)), need()) == "only"
    assert barrier(one, Wishes(ignore=(name,)), need()) == "ignore"
    assert barrier(other, Wishes(ignore=(name,)), need()) == ""
    assert barrier(one, Wishes(only=(name,), ignore=(name,)), need()) == "ignore"
    assert barrier(one, Wishes(order=(name,), allow_fallbacks=False), need()) == ""
    assert barrier(other, Wishes(order=(name,), allow_fallbacks=False), need()) == "order"
    assert barrier(other, Wishes(order=(name,)), need()) == ""
    assert barrier(other, Wishes(allow_fallbacks=False), need()) == ""


def test_a_tag_means_that_quantization_only(endpoint: Make, need: Ask) -> None:
    for one in (
        endpoint("acme"),
        endpoint("acme", quantization="fp4"),
        endpoint("acme", quantization="FP16"),
    ):
        assert barrier(one, Wishes(only=("acme/fp8",)), need()) == "only"
    assert barrier(endpoint("Acme", quantization="FP8"), Wishes(only=("acme/fp8",)), need()) == ""
    assert names(endpoint("Acme", quantization="FP8"), None) == ("acme", "acme/fp8")


def test_by_data_policy(endpoint: Make, need: Ask) -> None:
    deny, zdr = Wishes(deny_data_collection=True), Wishes(zdr=True)
    expected = {
        "acme": ("", ""),
        "keeps": ("", "zdr"),
        "trains": ("data_collection", "zdr"),
        "silent": ("data_collection", "zdr"),
        "nobody": ("data_collection", "zdr"),
    }
    for name, found in expected.items():
        assert (barrier(endpoint(name), deny, need()), barrier(endpoint(name), zdr, need())) == found
    ours = endpoint("nobody", engine="one")
    assert barrier(ours, Wishes(deny_data_collection=True, zdr=True), need()) == "", (
        "nothing leaves the house"
    )


def test_by_quantization(endpoint: Make, need: Ask) -> None:
    wishes = Wishes(quantizations=("fp8", "bf16"))
    assert barrier(endpoint(quantization="fp8"), wishes, need()) == ""
    assert barrier(endpoint(quantization="BF16"), wishes, need()) == ""
    assert barrier(endpoint(quantization="int4"), wishes, need()) == "quantizations"
    assert barrier(endpoint(), wishes, need()) == "quantizations"
    assert barrier(endpoint(), Wishes(quantizations=("unknown",)), need()) == ""


def test_by_price(endpoint: Make, need: Ask) -> None:
    one = endpoint(price=Price("p", 1.0, 4.0, request_usd=0.01))
    for limit, found in (
        (MaxPrice(), ""),
        (MaxPrice(prompt=1.0, completion=4.0, request=0.01), ""),
        (MaxPrice(prompt=0.99), "max_price"),
        (MaxPrice(prompt=0.0), "max_price"),
        (MaxPrice(completion=3.99), "max_price"),
        (MaxPrice(request=0.009), "max_price"),
    ):
        assert barrier(one, Wishes(max_price=limit), need()) == found
    assert (
        barrier(endpoint(price=UNKNOWN_PRICE), Wishes(max_price=MaxPrice(prompt=9.0)), need()) == "max_price"
    )


def test_a_long_request_is_held_to_its_own_tier(endpoint: Make, need: Ask) -> None:
    one = endpoint(price=Price("p", 1.0, 4.0, tiers=(PriceTier(2000, 2.0, 4.0), PriceTier(5000, 3.0, 9.0))))
    for tokens, prompt, found in (
        (2000, 1.0, ""),
        (2001, 1.0, "max_price"),
        (2001, 2.0, ""),
        (6000, 2.0, "max_price"),
        (6000, 3.0, ""),
    ):
        wishes = Wishes(max_price=MaxPrice(prompt=prompt))
        assert barrier(one, wishes, need(input_tokens=tokens)) == found
    assert barrier(one, Wishes(max_price=MaxPrice(completion=4.0)), need(input_tokens=6000)) == "max_price"


def test_by_what_is_free(endpoint: Make, need: Ask) -> None:
    free = Wishes(free=True)
    assert barrier(endpoint(dollars=0.0), free, need()) == ""
    assert barrier(endpoint(dollars=0.1), free, need()) == "free"
    assert barrier(endpoint(price=UNKNOWN_PRICE), free, need()) == "free"
    assert is_free(Price("p", 0.0, 0.0))
    for paid in (
        Price("p", 0.0, 1.0),
        Price("p", 0.0, 0.0, request_usd=0.1),
        Price("p", 0.0, 0.0, tiers=(PriceTier(1000, 0.0, 1.0),)),
    ):
        assert not is_free(paid)


def test_by_context(endpoint: Make, need: Ask) -> None:
    one = endpoint(context_length=1000)
    assert barrier(one, NONE, need(input_tokens=2000)) == "", "the length is only an estimate"
    assert barrier(one, NONE, need(input_tokens=2001)) == "context_length"
    assert barrier(one, Wishes(only=("acme",)), need(input_tokens=2001)) == "context_length"


def test_by_longest_answer(endpoint: Make, need: Ask) -> None:
    one = endpoint(max_output_tokens=500)
    assert barrier(one, NONE, need(max_output_tokens=500)) == ""
    assert barrier(one, NONE, need(max_output_tokens=501)) == "max_tokens"
    assert barrier(one, NONE, need()) == ""
    assert barrier(endpoint(), NONE, need(max_output_tokens=10**9)) == ""


def test_by_modality(endpoint: Make, need: Ask) -> None:
    images = need(modalities=frozenset(("image",)))
    both = need(modalities=frozenset(("image", "file")))
    seeing = endpoint(input_modalities=("text", "image"))
    assert (barrier(seeing, NONE, images), barrier(seeing, NONE, both)) == ("", "modalities")
    assert barrier(seeing, NONE, need()) == ""
    assert barrier(endpoint(), NONE, images) == "", "the default of the catalogue is no knowledge"
    assert barrier(endpoint(input_modalities=("text", "audio")), NONE, images) == "modalities"


def test_by_parameters(endpoint: Make, need: Ask) -> None:
    wishes = Wishes(require_parameters=True)
    used = need(parameters=frozenset(("model", "messages", "stream", "tools", "temperature")))
    assert barrier(endpoint(supported_parameters=("tools", "temperature", "seed")), wishes, used) == ""
    assert barrier(endpoint(supported_parameters=("tools",)), wishes, used) == "require_parameters"
    assert barrier(endpoint(supported_parameters=()), wishes, used) == "require_parameters"
    assert barrier(endpoint(supported_parameters=None), wishes, used) == "require_parameters", "not known"
    assert barrier(endpoint(supported_parameters=("tools",)), NONE, used) == ""
    plain = need(parameters=frozenset(("model", "messages", "stream", "user", "provider")))
    assert barrier(endpoint(supported_parameters=None), wishes, plain) == "", "none of these is a parameter"


@pytest.mark.parametrize(
    ("field", "supported"),
    [
        ("max_tokens", "max_completion_tokens"),
        ("max_completion_tokens", "max_tokens"),
        ("max_output_tokens", "max_tokens"),
        ("stop_sequences", "stop"),
        ("thinking", "reasoning"),
    ],
)
def test_one_thing_under_two_names(field: str, supported: str) -> None:
    assert unsupported(frozenset((field,)), (supported,)) == []
    assert unsupported(frozenset((field,)), ("seed",)) == [field]


# --- what the caller is told --------------------------------------------------------------------


def test_a_refusal_names_each_and_why(endpoint: Make, need: Ask) -> None:
    several = [
        endpoint("acme", 1.0, quantization="int4"),
        endpoint("keeps", 9.0, quantization="fp8"),
        endpoint("trains", 1.0, quantization="fp8"),
    ]
    wishes = Wishes(quantizations=("fp8",), max_price=MaxPrice(prompt=5.0), deny_data_collection=True)
    left, excluded = eligible(several, wishes, need(), PROVIDERS)
    assert left == []
    error = refusal(excluded)
    assert error.status == 400
    assert error.message == (
        "no endpoint of a/m may serve this request: acme/int4: quantization is int4; "
        "keeps/fp8: input costs $9/M, max_price.prompt is 5; "
        "trains/fp8: may train on prompts, and 'data_collection' is \"deny\""
    )
    told = json.loads(render(error))["error"]["metadata"]["excluded_by"]
    assert [(each["endpoint"], each["constraint"]) for each in told] == [
        ("acme/int4", "quantizations"),
        ("keeps/fp8", "max_price"),
        ("trains/fp8", "data_collection"),
    ]
    assert all(each["model"] == "a/m" and each["reason"] in error.message for each in told)


def test_a_long_refusal_is_cut_short_and_names_models_where_there_are_several() -> None:
    excluded = [Excluded(f"p{n}", f"a/m{n % 2}", "only", "not named in 'only'") for n in range(MAX_NAMED + 3)]
    error = refusal(excluded)
    assert error.message.startswith(
        "no endpoint of a/m0 or a/m1 may serve this request: p0 (a/m0): not named"
    )
    assert error.message.endswith("; and 3 more")
    assert len(error.metadata["excluded_by"]) == MAX_NAMED + 3


# --- together -----------------------------------------------------------------------------------

ENDPOINTS = st.builds(
    Endpoint,
    model=st.just("a/m"),
    provider=st.sampled_from([*PROVIDERS, "nobody"]),
    upstream_id=st.just("m"),
    price=st.sampled_from([UNKNOWN_PRICE, Price("free", 0, 0), Price("one", 1, 1), Price("ten", 10, 10)]),
    context_length=st.sampled_from([100, 100_000]),
    max_output_tokens=st.sampled_from([None, 50, 5000]),
    engine=st.sampled_from([None, "one"]),
    quantization=st.sampled_from(["", "fp8"]),
    supported_parameters=st.sampled_from([None, (), ("tools", "max_tokens")]),
    input_modalities=st.sampled_from([("text",), ("text", "image"), ("text", "file")]),
)
SINGLE = {
    "only": ("acme", "keeps"),
    "ignore": ("keeps",),
    "deny_data_collection": True,
    "zdr": True,
    "quantizations": ("fp8",),
    "max_price": MaxPrice(prompt=5.0),
    "free": True,
    "require_parameters": True,
}
NEEDS = st.builds(
    Need,
    input_tokens=st.sampled_from([10, 1000]),
    now=st.just(0.0),
    draw=st.just(lambda: 0.5),
    max_output_tokens=st.sampled_from([None, 500]),
    parameters=st.sampled_from([frozenset(), frozenset(("tools",))]),
    modalities=st.sampled_from([frozenset(), frozenset(("image",))]),
)


@given(st.lists(ENDPOINTS, max_size=5), st.sets(st.sampled_from(sorted(SINGLE))), NEEDS)
def test_together_they_keep_out_what_any_of_them_does(
    several: list[Endpoint], chosen: set[str], need: Need
) -> None:
    left, excluded = eligible(several, Wishes(**{name: SINGLE[name] for name in chosen}), need, PROVIDERS)
    assert len(left) + len(excluded) == len(several)
    one_by_one = [
        each
        for each in several
        if not barrier(each, NONE, need)
        and not any(barrier(each, Wishes(**{name: SINGLE[name]}), need) for name in chosen)
    ]
    assert list(map(id, left)) == list(map(id, one_by_one))

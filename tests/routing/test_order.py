"""A caller's wishes about providers: followed, and refused with a clear word where they can't be."""

from __future__ import annotations

import itertools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.errors import BadRequest
from tokenworks.routing.order import Wishes, rank, read
from tokenworks.schema import Endpoint, Price

NAMES = ("alpha", "beta", "gamma", "delta")


def endpoint(provider: str, number: int = 0) -> Endpoint:
    return Endpoint("a/m", provider, f"m-{number}", Price(f"p{number}", 1.0 + number, 2.0), 8192)


ALL = [endpoint(name, number) for number, name in enumerate(NAMES)]


def order(endpoints: list[Endpoint] = ALL, **wishes: Any) -> list[str]:
    given_ = msgspec.Raw(json.dumps(wishes).encode())
    return [e.provider for e in rank(endpoints, read(given_))]


def test_without_wishes_the_catalogue_decides() -> None:
    assert order() == list(NAMES)
    assert order(order=[], only=[], ignore=[], allow_fallbacks=True) == list(NAMES)
    assert order(order=None, only=None, ignore=None, allow_fallbacks=None) == list(NAMES)
    assert [e.provider for e in rank(ALL, read(msgspec.Raw(b"null")))] == list(NAMES)


def test_wishes() -> None:
    assert order(order=["gamma", "alpha"]) == ["gamma", "alpha", "beta", "delta"]
    assert order(order=["unknown", "delta"]) == ["delta", "alpha", "beta", "gamma"]
    assert order(only=["delta", "beta"]) == ["beta", "delta"]
    assert order(ignore=["alpha"]) == ["beta", "gamma", "delta"]
    assert order(only=["alpha", "beta"], ignore=["alpha"], order=["gamma", "beta"]) == ["beta"]
    assert order(order=["gamma", "alpha"], allow_fallbacks=False) == ["gamma", "alpha"]
    assert order(allow_fallbacks=False) == ["alpha"]
    assert order(allow_fallbacks=False, ignore=["alpha"]) == ["beta"]
    assert order(order=["gamma", "alpha", "gamma"]) == ["gamma", "alpha", "beta", "delta"]


def test_what_is_not_understood_is_left_alone() -> None:
    assert order(sort="price", data_collection="deny", quantizations=["fp8"]) == list(NAMES)


def test_endpoints_of_one_provider_stay_in_order() -> None:
    twice = [endpoint("alpha", 1), endpoint("beta", 2), endpoint("alpha", 3), endpoint("beta", 4)]
    found = rank(twice, Wishes(order=("beta",)))
    assert [e.upstream_id for e in found] == ["m-2", "m-4", "m-1", "m-3"]


@pytest.mark.parametrize(
    "wishes",
    [
        {"only": ["unknown"]},
        {"ignore": list(NAMES)},
        {"order": ["unknown"], "allow_fallbacks": False},
        {"only": ["alpha"], "ignore": ["alpha"]},
    ],
)
def test_nothing_left_is_the_callers_fault_and_says_what_there_is(wishes: dict[str, Any]) -> None:
    with pytest.raises(BadRequest, match="this model has: alpha, beta, delta, gamma"):
        order(**wishes)


@pytest.mark.parametrize(
    "data",
    [
        b"[]",
        b'"alpha"',
        b'{"order":"alpha"}',
        b'{"only":[1]}',
        b'{"ignore":{"a":1}}',
        b'{"allow_fallbacks":"no"}',
        b'{"order":["\xff"]}',
        b'{"x":' + b"[" * 100_000,
    ],
)
def test_wishes_in_the_wrong_form_are_refused(data: bytes) -> None:
    with pytest.raises(BadRequest, match="'provider' is malformed") as caught:
        read(msgspec.Raw(data))
    assert "\n" not in caught.value.message


SOME = st.none() | st.lists(st.sampled_from([*NAMES, "unknown"]), max_size=5)


@given(SOME, SOME, SOME, st.none() | st.booleans(), st.permutations(ALL))
def test_an_order_never_invents_or_repeats(
    first: Any, only: Any, ignore: Any, fallbacks: bool | None, endpoints: list[Endpoint]
) -> None:
    wishes = Wishes(
        order=None if first is None else tuple(first),
        only=None if only is None else tuple(only),
        ignore=None if ignore is None else tuple(ignore),
        allow_fallbacks=fallbacks,
    )
    before = list(endpoints)
    try:
        found = rank(endpoints, wishes)
    except BadRequest:
        return
    assert endpoints == before
    assert found
    assert len({id(e) for e in found}) == len(found)
    assert all(e in endpoints for e in found)
    assert not {e.provider for e in found} & set(ignore or ())
    if only:
        assert {e.provider for e in found} <= set(only)
    if fallbacks is False and not first:
        assert len(found) == 1
    places = [first.index(e.provider) if first and e.provider in first else 99 for e in found]
    assert all(a <= b for a, b in itertools.pairwise(places))

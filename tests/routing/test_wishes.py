"""The ``provider`` object: every field read into one form, everything malformed refused."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.errors import BadRequest
from tokenworks.routing.wishes import NONE, Cutoffs, MaxPrice, Wishes, read, retains_nothing


def wished(**fields: Any) -> Wishes:
    return read(msgspec.Raw(json.dumps(fields).encode()))


@pytest.mark.parametrize(
    "raw",
    [
        None,
        b"null",
        b"{}",
        b'{"order":null,"only":[],"ignore":null,"allow_fallbacks":true,"data_collection":"allow"}',
        b'{"sort":null,"max_price":{},"preferred_max_latency":{"p50":null},"quantizations":[],"zdr":false}',
        b'{"sort":{"by":null,"partition":"model"},"max_price":{"image":"1","audio":0.5}}',
        b'{"enforce_distillable_text":true,"options":{"a":[1]},"experimental":1}',
    ],
)
def test_no_wish_is_the_one_that_is_known_by_identity(raw: bytes | None) -> None:
    assert read(None if raw is None else msgspec.Raw(raw)) is NONE


def test_all_of_them() -> None:
    assert wished(
        order=["Acme", "other/FP8 "],
        only=["a"],
        ignore=["b", "B"],
        allow_fallbacks=False,
        require_parameters=True,
        data_collection="deny",
        zdr=True,
        quantizations=["FP8", "unknown"],
        sort={"by": "latency", "partition": "none"},
        max_price={"prompt": "0.5", "completion": 2, "request": 0, "image": "9"},
        preferred_min_throughput=50,
        preferred_max_latency={"p50": 1, "p99": 2.5},
    ) == Wishes(
        order=("acme", "other/fp8"),
        only=("a",),
        ignore=("b",),
        allow_fallbacks=False,
        require_parameters=True,
        deny_data_collection=True,
        zdr=True,
        quantizations=("fp8", "unknown"),
        sort="latency",
        partition="none",
        max_price=MaxPrice(prompt=0.5, completion=2.0, request=0.0),
        min_throughput=Cutoffs(p50=50.0),
        max_latency=Cutoffs(p50=1.0, p99=2.5),
    )


@pytest.mark.parametrize("by", ["price", "throughput", "latency", "exacto"])
def test_a_sort_is_a_word_or_an_object(by: str) -> None:
    assert wished(sort=by) == wished(sort={"by": by}) == Wishes(sort=by)  # type: ignore[arg-type]
    assert wished(sort={"partition": "none"}) == Wishes(partition="none")


def test_a_caller_cannot_wish_what_only_a_suffix_says() -> None:
    assert wished(free=True, deny_data_collection=True, min_throughput=5) is NONE


@pytest.mark.parametrize(
    "data",
    [
        b"[]",
        b'"acme"',
        b"1",
        b'{"order":"acme"}',
        b'{"only":[1]}',
        b'{"ignore":{"a":1}}',
        b'{"allow_fallbacks":"no"}',
        b'{"require_parameters":1}',
        b'{"zdr":"true"}',
        b'{"data_collection":"never"}',
        b'{"quantizations":"fp8"}',
        b'{"sort":"cheap"}',
        b'{"sort":{"by":"cheap"}}',
        b'{"sort":{"partition":"all"}}',
        b'{"max_price":1}',
        b'{"max_price":{"prompt":"cheap"}}',
        b'{"max_price":{"prompt":true}}',
        b'{"max_price":{"completion":"nan"}}',
        b'{"max_price":{"request":-1}}',
        b'{"max_price":{"image":"inf"}}',
        b'{"preferred_max_latency":"fast"}',
        b'{"preferred_min_throughput":{"p50":"fast"}}',
        b'{"order":["\xff"]}',
        b'{"x":' + b"[" * 100_000,
        b"",
    ],
)
def test_the_wrong_form_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(BadRequest, match="'provider' is malformed: ") as caught:
        read(msgspec.Raw(data))
    assert "\n" not in caught.value.message
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b'{"zdr":true}', True),
        (b'{"order":["a"],"zdr":true,"sort":5}', True),
        (b'{"zdr":false}', False),
        (b'{"zdr":1}', False),
        (b'{"data_collection":"deny"}', False),
        (b"{}", False),
        (b"null", False),
        (b"[1]", False),
        (b'"\\ud800"', False),
    ],
)
def test_who_wants_nothing_retained(data: bytes, told: bool) -> None:
    assert retains_nothing(msgspec.Raw(data)) is told


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["order", "sort", "by", "max_price", "prompt", "p50", "zdr", "preferred_max_latency"]
                ),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_any_json_is_read_or_refused(value: Any) -> None:
    raw = msgspec.Raw(msgspec.json.encode(value))
    try:
        found = read(raw)
    except BadRequest:
        return
    assert isinstance(found, Wishes)
    assert (found == NONE) is (found is NONE)

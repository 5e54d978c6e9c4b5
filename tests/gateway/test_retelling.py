"""Streams told once more with another cost: that, and nothing else of them, changes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.gateway.retelling import with_cost
from tokenworks.schema import NANO_USD
from tokenworks.wire import sse

DETAILS = {
    "upstream_inference_cost": 0.000003,
    "upstream_inference_prompt_cost": 0.000001,
    "upstream_inference_completions_cost": 0.000002,
}
USAGE: dict[str, Any] = {"prompt_tokens": 9, "cost": 0.000003, "is_byok": False, "cost_details": DETAILS}


def stream(*events: Any) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(each, separators=(",", ":")).encode() for each in events)


def told(data: bytes) -> list[Any]:
    return [json.loads(payload) for event in sse.events(data) if (payload := sse.payload(event))]


@pytest.mark.parametrize("holder", [None, "message", "response"])
@given(nano=st.integers(2_000, 10**13))
def test_the_cost_of_all(holder: str | None, nano: int) -> None:
    last = {"usage": USAGE} if holder is None else {holder: {"usage": USAGE, "id": "x"}, "type": "t"}
    first, second = told(with_cost(stream({"delta": '"cost"'}, last), nano))
    assert first == {"delta": '"cost"'}
    usage = (second if holder is None else second[holder])["usage"]
    details = usage["cost_details"]
    assert round(usage["cost"] * NANO_USD) == round(details["upstream_inference_cost"] * NANO_USD) == nano
    assert round(details["upstream_inference_prompt_cost"] * NANO_USD) == nano - 2000
    assert details["upstream_inference_completions_cost"] == 0.000002
    assert usage["prompt_tokens"] == 9 and second.keys() == last.keys()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b": a comment\n\ndata: [DONE]\n\n",
        stream({"usage": {"prompt_tokens": 3}}, {"usage": None}),
        b'event: x\ndata: {"cost": broken\n\n',
        b'data: ["cost"]\n\n',
    ],
)
def test_what_tells_no_cost_stays_as_it_is(data: bytes) -> None:
    assert with_cost(data, 5) == data

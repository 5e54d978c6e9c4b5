"""How much to think, on the responses wire."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tokenworks.errors import BadRequest
from tokenworks.wire.conversation import Maker, Reasoning
from tokenworks.wire.openai_responses.reasoning import read_reasoning, write_reasoning
from tokenworks.wire.peek import raw


@pytest.mark.parametrize(
    ("given", "reasoning"),
    [
        (None, None),
        ({}, None),
        ({"effort": None, "summary": None}, None),
        ({"effort": "High", "summary": "auto"}, Reasoning(effort="high", summary="auto")),
        ({"generate_summary": "concise"}, Reasoning(summary="concise")),
        ({"enabled": True, "max_tokens": 5, "exclude": True, "mode": "pro"}, Reasoning(True, "", 5, True)),
    ],
)
def test_what_callers_say(given: Any, reasoning: Reasoning | None) -> None:
    assert read_reasoning({"reasoning": raw(given)}) == reasoning
    assert read_reasoning({}) is None


def test_what_is_malformed() -> None:
    with pytest.raises(BadRequest, match=r"'reasoning.effort' is malformed"):
        read_reasoning({"reasoning": raw({"effort": 5})})
    with pytest.raises(BadRequest, match="effort 'ultra' is unknown"):
        read_reasoning({"reasoning": raw({"effort": "ultra"})})


@pytest.mark.parametrize(
    ("reasoning", "show", "written"),
    [
        (Reasoning(), True, None),
        (Reasoning(exclude=True), True, None),
        (Reasoning(summary="auto"), False, {"summary": "auto"}),
        (Reasoning(effort="high"), False, {"effort": "high"}),
        (Reasoning(effort="high"), True, {"effort": "high", "summary": "auto"}),
        (Reasoning(effort="high", summary="detailed"), True, {"effort": "high", "summary": "detailed"}),
        (Reasoning(effort="high", exclude=True), True, {"effort": "high"}),
        (Reasoning(True), False, {"effort": "medium"}),
        (Reasoning(max_tokens=5000), False, {"effort": "medium"}),
        (Reasoning(False), True, {"effort": "none"}),
    ],
)
def test_what_providers_are_told(reasoning: Reasoning, show: bool, written: Any) -> None:
    config = write_reasoning(reasoning, Maker("m", max_output_tokens=10_000), show)
    assert msgspec.to_builtins(config) == written


def test_a_model_that_always_thinks_is_asked_for_little() -> None:
    maker = Maker("m", quirks=frozenset(("thinking_always_on",)))
    assert msgspec.to_builtins(write_reasoning(Reasoning(False), maker, True)) == {"effort": "low"}

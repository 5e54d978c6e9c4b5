"""How much to think, in the words of each provider."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tokenworks.errors import BadRequest
from tokenworks.wire.conversation import Maker, Reasoning
from tokenworks.wire.openai_chat.reasoning import read_reasoning, reasoning_fields
from tokenworks.wire.peek import raw


@pytest.mark.parametrize(
    ("fields", "reasoning"),
    [
        ({}, None),
        ({"reasoning": None, "reasoning_effort": None}, None),
        ({"reasoning": {}}, None),
        ({"reasoning_effort": "HIGH"}, Reasoning(effort="high")),
        ({"reasoning_effort": "low", "reasoning": {"effort": "high"}}, Reasoning(effort="high")),
        ({"reasoning": {"enabled": True}}, Reasoning(True)),
        (
            {"reasoning": {"max_tokens": 2000, "exclude": True, "summary": "auto"}},
            Reasoning(max_tokens=2000, exclude=True, summary="auto"),
        ),
        ({"include_reasoning": False}, Reasoning(exclude=True)),
        ({"include_reasoning": True}, None),
        ({"include_reasoning": False, "reasoning": {"exclude": False, "enabled": True}}, Reasoning(True)),
    ],
)
def test_what_callers_say(fields: dict[str, Any], reasoning: Reasoning | None) -> None:
    assert read_reasoning({key: raw(value) for key, value in fields.items()}) == reasoning


def test_what_is_malformed() -> None:
    for fields in ({"reasoning": True}, {"reasoning": {"max_tokens": "many"}}, {"reasoning_effort": 3}):
        with pytest.raises(BadRequest, match="reasoning"):
            read_reasoning({key: raw(value) for key, value in fields.items()})


ON, OFF = {"type": "enabled"}, {"type": "disabled"}
TOLD: list[tuple[str, Reasoning, dict[str, Any]]] = [
    ("", Reasoning(), {}),
    ("", Reasoning(exclude=True), {}),
    ("", Reasoning(effort="xhigh"), {"reasoning_effort": "xhigh"}),
    ("", Reasoning(True), {"reasoning_effort": "medium"}),
    ("", Reasoning(False, "high"), {"reasoning_effort": "none"}),
    ("", Reasoning(max_tokens=8000), {"reasoning_effort": "high"}),
    ("", Reasoning(max_tokens=1000), {"reasoning_effort": "minimal"}),
    ("enable_thinking_flag", Reasoning(), {}),
    ("enable_thinking_flag", Reasoning(True), {"enable_thinking": True}),
    ("enable_thinking_flag", Reasoning(False, max_tokens=7), {"enable_thinking": False}),
    ("enable_thinking_flag", Reasoning(max_tokens=99), {"enable_thinking": True, "thinking_budget": 99}),
    ("enable_thinking_flag", Reasoning(effort="low"), {"enable_thinking": True, "thinking_budget": 2000}),
    ("thinking_by_default", Reasoning(), {}),
    ("thinking_by_default", Reasoning(True), {"thinking": ON}),
    ("thinking_by_default", Reasoning(effort="none"), {"thinking": OFF}),
    ("thinking_by_default", Reasoning(effort="max"), {"thinking": ON, "reasoning_effort": "max"}),
    ("preserve_thinking_flag", Reasoning(effort="low"), {"thinking": {**ON, "clear_thinking": False}}),
    ("preserve_thinking_flag", Reasoning(False), {"thinking": {**OFF, "clear_thinking": False}}),
    ("inline_think_tags", Reasoning(effort="low"), {"reasoning_split": True}),
    ("inline_think_tags", Reasoning(), {"reasoning_split": True}),
    ("thinking_always_on", Reasoning(False), {"reasoning_effort": "low"}),
    ("thinking_always_on", Reasoning(effort="high"), {"reasoning_effort": "high"}),
    ("thinking_always_on preserve_thinking_flag", Reasoning(False), {}),
    ("thinking_always_on thinking_by_default", Reasoning(True), {"thinking": ON}),
    ("no_reasoning_control", Reasoning(effort="high"), {}),
    ("no_reasoning_control", Reasoning(False), {}),
    ("echo_thought_signatures", Reasoning(effort="max"), {"reasoning_effort": "high"}),
    ("echo_thought_signatures", Reasoning(effort="minimal"), {"reasoning_effort": "low"}),
    ("echo_thought_signatures", Reasoning(False), {"reasoning_effort": "none"}),
    ("reasoning_object", Reasoning(), {}),
    (
        "reasoning_object",
        Reasoning(False, "max", 0, True, "auto"),
        {
            "reasoning": {
                "enabled": False,
                "effort": "max",
                "max_tokens": 0,
                "exclude": True,
                "summary": "auto",
            }
        },
    ),
]


@pytest.mark.parametrize(("quirks", "reasoning", "fields"), TOLD)
def test_what_providers_are_told(quirks: str, reasoning: Reasoning, fields: dict[str, Any]) -> None:
    maker = Maker("m", max_output_tokens=10_000, quirks=frozenset(quirks.split()))
    told = {key: json.loads(bytes(value)) for key, value in reasoning_fields(reasoning, maker).items()}
    assert told == fields

"""How much to think on the messages wire, and what a request must give up for it."""

from __future__ import annotations

from typing import Any

import pytest

from tokenworks.errors import BadRequest
from tokenworks.wire.anthropic_messages.reasoning import (
    Plan,
    ThinkingConfig,
    plan,
    read_output,
    read_reasoning,
)
from tokenworks.wire.conversation import Maker, Message, Reasoning, Text, Thinking, ToolResult, ToolUse
from tokenworks.wire.peek import raw
from tokenworks.wire.signature import RESPONSES

ASK = (Message("user", (Text("Hi"),)),)


@pytest.mark.parametrize(
    ("fields", "reasoning"),
    [
        ({}, None),
        ({"thinking": None, "output_config": None}, None),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, Reasoning(True, max_tokens=2000)),
        ({"thinking": {"type": "disabled"}}, Reasoning(False)),
        ({"thinking": {"type": "adaptive"}}, Reasoning(True)),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, Reasoning(True, exclude=True)),
        ({"thinking": {"type": "between_tools"}}, Reasoning(True)),
        (
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
            Reasoning(True, "max"),
        ),
        ({"output_config": {"effort": "low"}}, Reasoning(effort="low")),
    ],
)
def test_what_callers_say(fields: dict[str, Any], reasoning: Reasoning | None) -> None:
    given = {key: raw(value) for key, value in fields.items()}
    assert read_reasoning(given, read_output(given)) == reasoning


def test_what_is_malformed() -> None:
    with pytest.raises(BadRequest, match="'thinking' is malformed"):
        read_reasoning({"thinking": raw("on")}, read_output({}))
    with pytest.raises(BadRequest, match="effort 'ultra' is unknown"):
        given = {"output_config": raw({"effort": "ultra"})}
        read_reasoning(given, read_output(given))


def planned(reasoning: Reasoning | None, max_tokens: int, *quirks: str, most: int | None = None) -> Plan:
    return plan(reasoning, ASK, max_tokens, Maker("m", max_output_tokens=most, quirks=frozenset(quirks)))


def budget(tokens: int) -> dict[str, Any]:
    return {"thinking": ThinkingConfig("enabled", tokens), "forces_tools": False, "samples": False}


@pytest.mark.parametrize(
    ("reasoning", "max_tokens", "most", "expected"),
    [
        (None, 4000, None, Plan(4000)),
        (Reasoning(exclude=True), 4000, None, Plan(4000)),
        (Reasoning(False, "high"), 4000, None, Plan(4000, ThinkingConfig("disabled"))),
        (Reasoning(effort="high"), 10_000, None, Plan(10_000, **budget(8000))),
        (Reasoning(effort="xhigh"), 10_000, None, Plan(10_000, **budget(9500))),
        (Reasoning(True), 10_000, None, Plan(10_000, **budget(5000))),
        (Reasoning(effort="minimal"), 4000, None, Plan(4000, **budget(1024))),
        (Reasoning(max_tokens=100), 4000, None, Plan(4000, **budget(1024))),
        (Reasoning(max_tokens=16_000), 4000, None, Plan(20_000, **budget(16_000))),
        (Reasoning(max_tokens=16_000), 4000, 8000, Plan(8000, **budget(7999))),
        (Reasoning(effort="low"), 500, None, Plan(1524, **budget(1024))),
        (Reasoning(effort="low"), 500, 1024, Plan(1024, gave_up=True)),
    ],
)
def test_budgets(reasoning: Reasoning | None, max_tokens: int, most: int | None, expected: Plan) -> None:
    assert planned(reasoning, max_tokens, most=most) == expected


def adaptive(effort: str | None, display: str = "summarized") -> dict[str, Any]:
    thinking = ThinkingConfig("adaptive", display=display)
    return {"thinking": thinking, "effort": effort, "forces_tools": False, "samples": False}


@pytest.mark.parametrize(
    ("reasoning", "expected"),
    [
        (None, Plan(4000)),
        (Reasoning(True), Plan(4000, **adaptive(None))),
        (Reasoning(effort="max"), Plan(4000, **adaptive("max"))),
        (Reasoning(effort="minimal"), Plan(4000, **adaptive("low"))),
        (Reasoning(max_tokens=3200), Plan(4000, **adaptive("high"))),
        (Reasoning(True, exclude=True), Plan(4000, **adaptive(None, "omitted"))),
        (Reasoning(False), Plan(4000, ThinkingConfig("disabled"))),
    ],
)
def test_models_that_decide_themselves(reasoning: Reasoning | None, expected: Plan) -> None:
    assert planned(reasoning, 4000, "adaptive_thinking_only") == expected


def test_models_that_always_think() -> None:
    quirks = ("adaptive_thinking_only", "thinking_always_on")
    assert planned(None, 4000, *quirks) == Plan(4000)
    off = planned(Reasoning(False), 4000, *quirks)
    assert off == Plan(4000, None, "low", forces_tools=False, samples=False), "off would be refused"
    off = planned(Reasoning(False), 4000, "thinking_always_on")
    assert off == Plan(4000, None, None, forces_tools=False, samples=False)


def test_makers_that_read_the_effort_instead() -> None:
    assert planned(Reasoning(effort="max"), 4000, "thinking_by_default").effort == "max"
    assert planned(Reasoning(True), 4000, "thinking_by_default").effort is None


USE, RESULT = ToolUse("1", "f", "{}"), ToolResult("1", ())
AGAIN = (Message("assistant", (USE,)), Message("user", (RESULT, Text("note"))))


@pytest.mark.parametrize(
    ("turn", "gave_up"),
    [
        ((USE,), True),
        ((Text("a"), USE), True),
        ((Thinking("t", "s"), USE), False),
        ((Thinking(redacted="d"), USE), False),
        ((Thinking("t"), USE), True),
        ((Thinking("t", "s", format=RESPONSES), USE), True),
    ],
)
def test_thinking_can_not_begin_amid_a_turn(turn: tuple[Any, ...], gave_up: bool) -> None:
    messages = (*ASK, Message("assistant", turn), Message("user", (RESULT,)))
    for more in ((), AGAIN):
        made = plan(Reasoning(True), (*messages, *more), 4000, Maker("m"))
        assert made.gave_up is gave_up
        assert (made.thinking is None) is gave_up
    assert not plan(Reasoning(True), (*messages, *ASK), 4000, Maker("m")).gave_up, "a new turn"
    assert not plan(Reasoning(True), (), 4000, Maker("m")).gave_up
    assert not plan(
        Reasoning(True), messages, 4000, Maker("m", quirks=frozenset(("adaptive_thinking_only",)))
    ).gave_up

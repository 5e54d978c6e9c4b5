"""The top-level fields in which makers of the chat wire differ."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tokenworks.errors import BadRequest
from tokenworks.wire.conversation import Maker, Reasoning
from tokenworks.wire.openai_chat.adapting import adapted, excludes_reasoning, reasoning_wish
from tokenworks.wire.peek import Fields, peek


def fields(**given: Any) -> Fields:
    return peek(json.dumps(given).encode())


def made(maker: Maker, **given: Any) -> dict[str, Any]:
    """What ``given`` becomes; it is never changed itself."""
    asked = fields(**given)
    before = dict(asked)
    found = adapted(asked, maker)
    assert asked == before
    return {key: json.loads(bytes(value)) for key, value in found.items()}


def maker(*quirks: str, most: int | None = None) -> Maker:
    return Maker("m", most, frozenset(quirks))


# --- what is wished ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "wish"),
    [
        ({}, None),
        ({"reasoning": None}, None),
        ({"reasoning": {}}, Reasoning()),
        ({"reasoning": {"effort": "high", "exclude": True}}, Reasoning(effort="high", exclude=True)),
        ({"reasoning": {"max_tokens": 5, "enabled": False}}, Reasoning(False, "", 5)),
        ({"reasoning": {"effort": None, "exclude": None, "new": [1]}}, Reasoning()),
        ({"reasoning": {"summary": "auto"}}, Reasoning(summary="auto")),
    ],
)
def test_what_is_wished(given: dict[str, Any], wish: Reasoning | None) -> None:
    assert reasoning_wish(fields(**given)) == wish


@pytest.mark.parametrize("given", [5, "high", [], {"effort": 3}, {"max_tokens": "x"}, {"enabled": "yes"}])
def test_malformed_wishes(given: Any) -> None:
    for call in (reasoning_wish, excludes_reasoning, lambda asked: adapted(asked, maker())):
        with pytest.raises(BadRequest, match="'reasoning' is malformed"):
            call(fields(reasoning=given))


@pytest.mark.parametrize(
    ("given", "hidden"),
    [
        ({}, False),
        ({"include_reasoning": False}, True),
        ({"include_reasoning": True}, False),
        ({"include_reasoning": None}, False),
        ({"reasoning": {"exclude": True}}, True),
        ({"reasoning": {"exclude": False}}, False),
        ({"reasoning": None}, False),
        ({"include_reasoning": True, "reasoning": {"exclude": True}}, True),
        ({"include_reasoning": False, "reasoning": {"exclude": False}}, True),
    ],
)
def test_who_wants_to_see_no_reasoning(given: dict[str, Any], hidden: bool) -> None:
    assert excludes_reasoning(fields(**given)) == hidden


# --- what becomes of it -----------------------------------------------------------------------------


def test_nothing_is_touched_without_need() -> None:
    asked = fields(model="x", messages=[], max_tokens=5, tools=[], stream=True, max_completion_tokens=7)
    assert adapted(asked, maker()) is asked
    assert adapted(asked, maker("thinking_by_default", "no_models_list")) is asked
    quiet = fields(model="x", messages=[])
    assert adapted(quiet, maker("max_completion_tokens", "tool_stream_flag")) is quiet


@pytest.mark.parametrize(
    ("wish", "quirks", "expected"),
    [
        ({"effort": "high"}, (), {"reasoning_effort": "high"}),
        ({"enabled": True}, (), {"reasoning_effort": "medium"}),
        ({}, (), {}),
        (None, (), {}),
        ({"exclude": True}, (), {}),
        ({"effort": "high", "exclude": True}, ("reasoning_object",), {"reasoning": "same"}),
        ({"enabled": False}, ("enable_thinking_flag",), {"enable_thinking": False}),
        (
            {"max_tokens": 700},
            ("enable_thinking_flag",),
            {"enable_thinking": True, "thinking_budget": 700},
        ),
        ({"enabled": False}, ("thinking_by_default",), {"thinking": {"type": "disabled"}}),
        ({"effort": "high"}, ("inline_think_tags",), {"reasoning_split": True}),
    ],
)
def test_how_much_to_think(
    wish: dict[str, Any] | None, quirks: tuple[str, ...], expected: dict[str, Any]
) -> None:
    found = made(maker(*quirks), model="x", messages=[], reasoning=wish)
    if expected == {"reasoning": "same"}:
        expected = {"reasoning": wish}
    assert found == {"model": "x", "messages": [], **expected}


def test_what_is_said_in_a_makers_own_words_stays() -> None:
    assert made(maker(), reasoning_effort="low", messages=[]) == {"reasoning_effort": "low", "messages": []}
    own = {"thinking": {"type": "enabled", "budget": 5}, "messages": []}
    assert made(maker("thinking_by_default"), **own) == own
    assert made(maker(), reasoning={}, reasoning_effort="low")["reasoning_effort"] == "low"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"max_tokens": 5}, {"max_completion_tokens": 5}),
        ({"max_tokens": None}, {}),
        ({"max_tokens": 5, "max_completion_tokens": 3}, {"max_completion_tokens": 3}),
        ({"max_tokens": 5, "max_completion_tokens": None}, {"max_completion_tokens": 5}),
        ({"max_tokens": None, "max_completion_tokens": 3}, {"max_completion_tokens": 3}),
        ({"max_completion_tokens": 3}, {"max_completion_tokens": 3}),
    ],
)
def test_the_name_of_the_output_cap(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert made(maker("max_completion_tokens"), **given) == expected
    assert made(maker(), **given) == given


@pytest.mark.parametrize(
    ("given", "added"),
    [
        ({"tools": [1], "stream": True}, True),
        ({"tools": [1], "stream": False}, False),
        ({"tools": [1]}, False),
        ({"stream": True}, False),
    ],
)
def test_tools_that_stream_only_on_request(given: dict[str, Any], added: bool) -> None:
    assert made(maker("tool_stream_flag"), **given) == given | ({"tool_stream": True} if added else {})
    own = {**given, "tool_stream": False}
    assert made(maker("tool_stream_flag"), **own) == own
    assert made(maker(), **given) == given


def test_thinking_that_would_stand_in_the_text() -> None:
    quirk = maker("inline_think_tags")
    assert made(quirk, messages=[]) == {"messages": [], "reasoning_split": True}
    assert made(quirk, messages=[], reasoning_split=False) == {"messages": [], "reasoning_split": False}
    both = made(quirk, messages=[], reasoning={"enabled": True})
    assert both == {"messages": [], "reasoning_split": True}


def test_several_at_once() -> None:
    many = maker("max_completion_tokens", "tool_stream_flag", "reasoning_object")
    found = made(many, max_tokens=9, tools=[1], stream=True, reasoning={"effort": "low"}, user="u")
    assert found == {
        "max_completion_tokens": 9,
        "tools": [1],
        "stream": True,
        "tool_stream": True,
        "reasoning": {"effort": "low"},
        "user": "u",
    }

"""The same steps are read from every wire."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from agents import CHAT, MESSAGES, RESPONSES, WIRES, Did, Turn, body, call
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.plans.loops.reading import Tail
from tokenworks.plans.loops.step import Step
from tokenworks.wire.peek import peek

texts = st.text(max_size=12)
arguments = st.dictionaries(texts, st.integers(0, 9), max_size=3)
calls = st.builds(Did, st.sampled_from(("f", "g")), arguments, texts)
words = st.one_of(st.just(""), st.text(min_size=1, max_size=12))
turns = st.builds(Turn, texts, st.lists(calls, max_size=3).map(tuple), words)


ANSWER = {"role": "user", "content": "ok"}


def steps(key: str, *items: Any) -> list[Step]:
    return Tail(peek(json.dumps({key: items}).encode()), 99).first(99)


def seen(step: Step) -> tuple[Any, ...]:
    return step.said, step.done, step.got, step.wanted


@given(st.lists(turns.filter(lambda turn: turn.text or turn.calls), max_size=8), st.sampled_from(WIRES))
def test_turns_are_read_as_they_were(told: list[Turn], wire: str) -> None:
    told = [turn if turn.calls or turn.user else turn._replace(user="go on") for turn in told]
    read = Tail(body(wire, told), 99).first(99)
    expected = [Step(t.text, [], [did.result for did in t.calls], t.user) for t in reversed(told)]
    assert [(s.said, s.got, s.wanted) for s in read] == [(s.said, s.got, s.wanted) for s in expected]
    assert [len(s.calls) for s in read] == [len(turn.calls) for turn in reversed(told)]
    assert [seen(s) for s in read] == [seen(s) for s in Tail(body(CHAT, told), 99).first(99)]


def test_no_more_is_read_than_is_asked_for() -> None:
    wrong = msgspec.Raw(b'{"role":7},')
    fields = body(CHAT, [call("f", str(n)) for n in range(300)])
    fields["messages"] = msgspec.Raw(b"[" + bytes(wrong) + bytes(fields["messages"])[1:])
    tail = Tail(fields, 64)
    assert tail.reaches(4)
    assert not tail.reaches(64)
    assert len(tail.first(300)) == 64
    assert tail[0].got == ("299",)
    assert len(Tail(fields, 999).first(999)) == 300  # as far as the message that is wrong


def test_thoughts_are_no_part_of_a_step() -> None:
    thought = {"type": "thinking", "thinking": "t", "signature": "s"}
    said = {"type": "text", "text": "a"}
    assert [
        seen(step)
        for content in ([thought, said], [said, {"type": "redacted_thinking", "data": "x"}], [said])
        for step in steps("messages", {"role": "assistant", "content": content}, ANSWER)
    ] == [("a", (), (), "ok")] * 3


def test_functions_of_old_and_custom_tools() -> None:
    f = {"name": "f", "arguments": '{"a": 1}'}
    old = {"role": "assistant", "content": None, "function_call": f}
    custom = {"type": "custom", "custom": {"name": "f", "input": '{"a":1}'}}
    item = {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": '{"a":1}'}
    output = {"type": "custom_tool_call_output", "call_id": "c", "output": "r"}
    for read in (
        steps("messages", old, {"role": "function", "name": "f", "content": "r"}),
        steps("messages", {"role": "assistant", "tool_calls": [custom]}, {"role": "tool", "content": "r"}),
        steps("input", item, output),
    ):
        assert [seen(step) for step in read] == [("", (b'f\n{"a":1}',), ("r",), "")]


def test_tools_that_the_provider_runs() -> None:
    found = [{"type": "web_search_result", "url": "u"}]
    content = [
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": found},
        {"type": "text", "text": "found"},
    ]
    (step,) = steps("messages", {"role": "assistant", "content": content}, ANSWER)
    assert step.done == (b'web_search\n{"query":"q"}',)
    assert "web_search_result" in step.got[0]
    search = {"type": "web_search_call", "id": "ws_1", "action": {"type": "search", "query": "q"}}
    server = {"type": "mcp_call", "id": "m_1", "name": "ask", "arguments": "{}", "output": "r"}
    (step,) = steps("input", search, server, ANSWER)
    assert step.done == (b"ask\n{}", b'web_search_call\n{"query":"q","type":"search"}')
    assert step.got == ("r",)


def test_a_call_of_unknown_shape_is_only_the_same_when_it_is_equal() -> None:
    code = [{"type": "code_interpreter_call", "id": f"ci_{n}", "code": "1"} for n in range(2)]
    newer, older = steps("input", code[0], ANSWER, code[1], ANSWER)
    assert not newer.same(older, loosely=False)


def test_pictures_in_results_and_marks_for_the_cache() -> None:
    def result(data: str, **mark: Any) -> dict[str, Any]:
        image = {"type": "image", "source": {"type": "base64", "data": data}}
        text = {"type": "text", "text": "shot", **mark}
        return {"role": "user", "content": [{"type": "tool_result", "content": [text, image], **mark}]}

    use = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "shot", "input": {}}]}
    mark = {"cache_control": {"type": "ephemeral"}}
    newest, middle, oldest = steps(
        "messages", use, result("AAAA"), use, result("AAAA", **mark), use, result("BBBB")
    )
    assert middle.same(oldest, loosely=False)
    assert not newest.same(middle, loosely=True)


@pytest.mark.parametrize("wire", WIRES)
def test_what_is_not_answered_yet_is_no_step(wire: str) -> None:
    assert len(Tail(body(wire, [call("f", "1"), Turn("{")]), 9).first(9)) == 1
    assert len(Tail(body(wire, [Turn("a"), Turn("a"), Turn("a")]), 9).first(9)) == 2


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"prompt": "x"},
        {"input": "one message"},
        {"input": ["to", "embed"]},
        {"input": [1, 2, 3]},
        {"input": [{"type": "item_reference", "id": "x"}]},
        {"messages": None},
        {"messages": {}},
        {"messages": []},
        {"messages": [{"role": "user", "content": "hi"}]},
        {"messages": [{"role": None}]},
        {"messages": [{"role": "assistant", "content": 7}, {"role": "user", "content": [7]}]},
    ],
)
def test_where_there_is_no_conversation_there_are_no_steps(given: dict[str, Any]) -> None:
    assert not Tail(peek(json.dumps(given).encode()), 9).reaches(0)


def test_wires_are_told_apart_by_their_key() -> None:
    assert set(body(RESPONSES, [])) == {"model", "input"}
    assert set(body(MESSAGES, [])) == {"model", "messages"}

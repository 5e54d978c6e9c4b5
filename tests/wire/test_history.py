import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from turns import PARTS, WIRES, Case, cases

from tokenworks.wire.history import RESULTS, History, read
from tokenworks.wire.loose import HEAD, TAIL
from tokenworks.wire.pairs import CHAT, MESSAGES, RESPONSES
from tokenworks.wire.peek import Fields, peek

KEY = {CHAT: "messages", MESSAGES: "messages", RESPONSES: "input"}


def fields(body: dict[str, Any]) -> Fields:
    return peek(json.dumps(body, ensure_ascii=False).encode())


def told(wire: str, **body: Any) -> History:
    return read(wire, fields(body))


@pytest.mark.parametrize("part", PARTS)
def test_three_wires_tell_the_same(part: str) -> None:
    for case in cases(part):
        chat, messages, responses = (read(wire, fields(case.body(wire))) for wire in WIRES)
        for other in (messages, responses):
            for name in ("system", "user", "turns", "after_tool", "compacted", "images"):
                assert getattr(other, name) == getattr(chat, name), (case.name, name)
            assert [(r.tool, r.turn, r.spoken) for r in other.results] == [
                (r.tool, r.turn, r.spoken) for r in chat.results
            ], case.name
        assert messages.prefix == responses.prefix == chat.prefix != b""


CALL = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "a.py"}]}


def test_a_result_is_no_user_text_and_what_stands_beside_it_is_said_after_it() -> None:
    said = [
        {"role": "user", "content": "list it"},
        {"role": "assistant", "content": [CALL]},
        {"role": "user", "content": [RESULT | {"is_error": True}]},
    ]
    history = told(MESSAGES, messages=said)
    assert (history.user, history.after_tool, history.turns) == ("list it", True, 1)
    (result,) = history.results
    assert (result.tool, json.loads(result.arguments), result.text) == ("Bash", {"command": "ls"}, "a.py")
    assert (result.failed, result.turn, result.spoken) == (True, 0, True)
    said[-1]["content"].append({"type": "text", "text": "stop"})  # type: ignore[attr-defined]
    history = told(MESSAGES, messages=said)
    assert (history.user, history.after_tool) == ("stop", False)


def test_what_agents_put_in_the_mouth_of_a_user_is_not_what_a_person_said() -> None:
    reminder = "<system-reminder>\nThe file a.py FAILED to load.\n</system-reminder>"
    said = [
        {"role": "user", "content": [{"type": "text", "text": "do it"}, {"type": "text", "text": reminder}]},
        {"role": "assistant", "content": [CALL]},
        {"role": "user", "content": [RESULT, {"type": "text", "text": reminder}]},
    ]
    history = told(MESSAGES, messages=said)
    assert (history.user, history.after_tool) == ("do it", True)
    items = [
        {"type": "message", "role": "user", "content": "<environment_context>cwd</environment_context>"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "go"}]},
    ]
    assert told(RESPONSES, input=items).user == "go"
    assert told(RESPONSES, input="just text").user == "just text"


def test_shapes_of_results_that_only_one_wire_has() -> None:
    shell = {
        "type": "shell_call_output",
        "call_id": "s",
        "output": [{"stdout": "x", "stderr": "bad", "outcome": {"type": "exit", "exit_code": 2}}],
    }
    items = [
        {"role": "user", "content": "go"},
        {"type": "shell_call", "call_id": "s", "action": {"commands": ["make"]}},
        shell,
        {"type": "apply_patch_call", "call_id": "p", "operation": {"type": "update_file", "path": "a.py"}},
        {"type": "apply_patch_call_output", "call_id": "p", "status": "failed", "output": "no"},
        {"type": "mcp_call", "id": "m", "name": "post", "arguments": "{}", "output": "ok", "error": None},
        {"type": "mcp_call", "id": "n", "name": "post", "arguments": "{}", "output": None, "error": "gone"},
    ]
    results = told(RESPONSES, input=items).results
    assert [r.tool for r in results] == ["shell_call", "apply_patch_call", "post", "post"]
    assert [r.failed for r in results] == [None, True, None, True]
    assert [r.text for r in results] == ["Exit code: 2\nx\nbad", "no", "ok", "gone"]
    assert json.loads(results[0].arguments) == {"commands": ["make"]}
    assert [r.turn for r in results] == [0, 1, 2, 3]


def test_tools_and_the_choice_among_them() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    assert told(CHAT, messages=[], tools=[tool], tool_choice="auto").tools
    assert not told(CHAT, messages=[], tools=[]).tools
    choices = ["none", "required", {"type": "any"}, {"type": "function", "function": {"name": "f"}}]
    assert [told(CHAT, messages=[], tool_choice=one).tool_choice for one in choices] == [
        "none",
        "required",
        "required",
        "tool",
    ]
    assert told(CHAT, messages=[]).tool_choice == ""


def test_pictures_and_summaries_are_noticed() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    words = {"type": "text", "text": "what is this?"}
    history = told(CHAT, messages=[{"role": "user", "content": [words, picture]}])
    assert (history.user, history.images, history.compacted) == ("what is this?", 1, False)
    summary = "This session is being continued from a previous conversation that ran out of context."
    history = told(CHAT, messages=[{"role": "user", "content": summary}, {"role": "user", "content": "on"}])
    assert (history.user, history.compacted) == ("on", True)


def test_long_results_keep_how_they_begin_and_end_and_only_the_newest_are_kept() -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "go"}]
    for number in range(RESULTS + 9):
        call = {"id": f"c{number}", "function": {"name": "run", "arguments": f'{{"n": {number}}}'}}
        messages.append({"role": "assistant", "tool_calls": [call]})
        text = f"begin {number} " + "x" * 50_000 + " end"
        messages.append({"role": "tool", "tool_call_id": f"c{number}", "content": text})
    history = told(CHAT, messages=messages)
    assert len(history.results) == RESULTS and history.turns == RESULTS + 9
    assert history.user == "go"
    assert history.results[-1].text.startswith(f"begin {RESULTS + 8} x")
    assert history.results[-1].text.endswith("x end")
    assert len(history.results[-1].text) < HEAD + TAIL + 100
    assert [r.turn for r in history.results] == list(range(RESULTS))
    assert json.loads(history.results[0].arguments) == {"n": 9}


def test_the_prefix_survives_more_turns_marks_for_caches_and_the_order_of_keys() -> None:
    first = {"role": "user", "content": [{"type": "text", "text": "mend it"}]}
    body = {"system": [{"type": "text", "text": "Be careful."}], "messages": [first]}
    prefix = told(MESSAGES, **body).prefix
    assert len(prefix) == 12
    marked = {"cache_control": {"type": "ephemeral"}, "text": "mend it", "type": "text"}
    turned = [
        {"content": [marked], "role": "user"},
        {"role": "assistant", "content": [CALL]},
        {"role": "user", "content": [RESULT]},
    ]
    system = [{"cache_control": {"type": "ephemeral"}, "text": "Be careful.", "type": "text"}]
    changing = {"type": "text", "text": "x-anthropic-billing-header: cch=1a2b3;"}
    assert told(MESSAGES, messages=turned, system=[changing, *system]).prefix == prefix
    assert (
        told(MESSAGES, messages=[{"role": "user", "content": "mend it"}], system="Be careful.").prefix
        == prefix
    )
    for other in (
        {"system": "Be quick.", "messages": [first]},
        {"system": "Be careful.", "messages": [{"role": "user", "content": "break it"}]},
    ):
        assert told(MESSAGES, **other).prefix != prefix
    assert told(MESSAGES, messages=[]).prefix == b""


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ("type", "role", "content", "text", "tool_calls", "id", "input", "output", "action")
            ),
            inner | st.sampled_from(("user", "tool_result", "tool_use", "function_call_output", "assistant")),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(WIRES), values, values)
def test_odd_shapes_never_raise(wire: str, conversation: Any, other: Any) -> None:
    body = {KEY[wire]: conversation, "system": other, "tools": other, "tool_choice": other}
    history = told(wire, **body)
    assert isinstance(history.user, str) and len(history.results) <= RESULTS


def test_an_odd_message_does_not_hide_the_others() -> None:
    messages = [
        None,
        7,
        {"role": 3},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "tool_calls": 1},
    ]
    assert told(CHAT, messages=messages).user == "hi"
    assert read(CHAT, {}).user == ""
    deep = b'{"messages": ' + b"[" * 5000 + b"]" * 5000 + b"}"
    assert read(CHAT, {"messages": peek(b'{"messages": [[]]}')["messages"]}).user == ""
    assert deep  # such depth is refused when the body is looked at


def test_200_kb_are_read_in_little_time() -> None:
    case = Case("long", False, "", "codex")
    steps = [step for one in cases("tuned") for step in one.steps]
    while len(json.dumps(case.body(MESSAGES))) < 200_000:
        case.steps += steps
    given_fields = fields(case.body(MESSAGES))
    spent = []
    for _ in range(15):
        start = time.process_time()
        read(MESSAGES, given_fields)
        spent.append(time.process_time() - start)
    assert min(spent) < 0.005  # about 0.5 ms; a loaded machine may take longer

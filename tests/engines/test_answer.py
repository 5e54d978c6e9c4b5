"""Chunks put together again, compared with answers that came whole."""

from typing import Any

from tokenworks.engines.answer import Answer, UsageSum

HEAD = {
    "id": "chatcmpl-1",
    "created": 7,
    "model": "a/b",
    "system_fingerprint": "b1",
    "object": "chat.completion.chunk",
}


def chunk(
    index: int, finish: str | None = None, /, logprobs: list[Any] | None = None, **delta: Any
) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": index, "delta": delta, "finish_reason": finish}
    if logprobs is not None:
        choice["logprobs"] = {"content": logprobs}
    return {**HEAD, "choices": [choice]}


def usage(output: int) -> dict[str, Any]:
    counted = {
        "completion_tokens": output,
        "prompt_tokens": 10,
        "total_tokens": 10 + output,
        "prompt_tokens_details": {"cached_tokens": 4},
    }
    return {**HEAD, "choices": [], "usage": counted}


def whole(*chunks: dict[str, Any], logprobs: bool = False) -> dict[str, Any]:
    answer = Answer(logprobs=logprobs)
    for each in chunks:
        answer.add(each)
    return answer.whole()


def test_texts_and_finish_reason() -> None:
    got = whole(
        chunk(0, role="assistant", content=None),
        chunk(0, content="Hel"),
        chunk(0, content="lo"),
        chunk(0, "stop"),
        usage(2),
    )
    assert got == {
        **HEAD,
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello"},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": usage(2)["usage"],
    }


def test_choices_come_in_any_order_and_their_output_adds_up() -> None:
    got = whole(
        chunk(1, content="b"), chunk(0, content="a"), usage(3), chunk(1, "length"), chunk(0, "stop"), usage(5)
    )
    assert [(c["index"], c["message"]["content"], c["finish_reason"]) for c in got["choices"]] == [
        (0, "a", "stop"),
        (1, "b", "length"),
    ]
    assert got["usage"]["completion_tokens"] == 8
    assert got["usage"]["prompt_tokens"] == 10
    assert got["usage"]["total_tokens"] == 18
    assert got["usage"]["prompt_tokens_details"] == {"cached_tokens": 4}


def test_timings_are_kept_for_one_choice_only() -> None:
    timed = {**chunk(0, "stop"), "timings": {"predicted_n": 1}}
    assert whole(chunk(0, content="a"), timed)["timings"] == {"predicted_n": 1}
    assert "timings" not in whole(chunk(1, "stop"), timed)


def test_an_answer_without_text_is_empty_text() -> None:
    assert whole(chunk(0, "stop"))["choices"][0]["message"]["content"] == ""


def test_logprobs_are_joined_and_present_when_asked_for() -> None:
    got = whole(chunk(0, logprobs=[1], content="a"), chunk(0, logprobs=[2, 3], content="b"), logprobs=True)
    assert got["choices"][0]["logprobs"] == {"content": [1, 2, 3]}
    assert whole(chunk(0, "stop"), logprobs=True)["choices"][0]["logprobs"] == {"content": []}


def test_tool_calls_and_reasoning_grow_piece_by_piece() -> None:
    first = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}
    got = whole(
        chunk(0, role="assistant", content=None),
        chunk(0, reasoning_content="hm"),
        chunk(0, reasoning_content="m."),
        chunk(0, tool_calls=[first]),
        chunk(0, tool_calls=[{"index": 0, "function": {"arguments": '{"a":'}}]),
        chunk(0, tool_calls=[{"index": 0, "function": {"arguments": "1}"}}]),
        chunk(0, tool_calls=[{"index": 1, "id": "c2", "function": {"name": "g", "arguments": "{}"}}]),
        chunk(0, "tool_calls"),
    )
    message = got["choices"][0]["message"]
    assert message["content"] is None
    assert message["reasoning_content"] == "hmm."
    assert message["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]


def test_no_usage_is_none() -> None:
    assert UsageSum().total() is None
    assert "usage" not in whole(chunk(0, "stop"))

"""What an answer says is the same on every wire, whole or streamed."""

from __future__ import annotations

import json

import pytest
from wire_answers import scripted_stream, scripted_whole

from tokenworks.gateway import hearing
from tokenworks.gateway.hearing import HEARD, UNHEARD
from tokenworks.providers.scripted.reply import Reply, ToolCall
from tokenworks.routing.checks import Answer, Expected, run
from tokenworks.wire.pairs import CHAT, COMPLETIONS


@pytest.mark.parametrize("wire", HEARD)
def test_text_and_end(wire: str) -> None:
    reply = Reply(text="It is Paris. ✓", finish="length", reasoning="Let me think.")
    expected = Answer("It is Paris. ✓", "length", 0, None)
    assert hearing.whole(wire, scripted_whole(wire, reply)) == expected
    assert hearing.streamed(wire, scripted_stream(wire, reply)) == expected


@pytest.mark.parametrize("wire", HEARD)
def test_calls_of_tools(wire: str) -> None:
    reply = Reply(text="Wait.", tool_calls=(ToolCall("look", '{"a":1}'), ToolCall("find", "{}")))
    whole, streamed = (
        hearing.whole(wire, scripted_whole(wire, reply)),
        hearing.streamed(wire, scripted_stream(wire, reply)),
    )
    assert whole == streamed
    assert (whole.text, whole.tool_calls) == ("Wait.", 2)


@pytest.mark.parametrize("wire", [CHAT])
def test_refusals(wire: str) -> None:
    reply = Reply(refusal="I won't.")
    for found in (
        hearing.whole(wire, scripted_whole(wire, reply)),
        hearing.streamed(wire, scripted_stream(wire, reply)),
    ):
        assert (found.text, found.finish) == ("I won't.", "refusal")


@pytest.mark.parametrize("wire", HEARD)
@pytest.mark.parametrize("body", [b"", b"null", b"[1]", b'{"error":{"message":"x"}}', b"\xff\xff"])
def test_what_is_no_answer(wire: str, body: bytes) -> None:
    with pytest.raises(ValueError):
        hearing.whole(wire, body)


def test_a_wire_that_nobody_reads_is_not_heard() -> None:
    assert COMPLETIONS not in HEARD


def test_what_could_not_be_heard_is_doubted() -> None:
    expected = Expected(prompt="?", task="chat", schema=None, json=False, language="", max_output_tokens=None)
    assert any(each.fatal and not each.ok for each in run(UNHEARD, expected))


LOGPROBS = [
    ([-0.1, -0.3], -0.2),
    ([-0.5, None], -0.5),
    ([], None),
    (None, None),
]


@pytest.mark.parametrize(("given", "mean"), LOGPROBS)
def test_mean_log_probability(given: list[float | None] | None, mean: float | None) -> None:
    body = json.loads(scripted_whole(CHAT, Reply(text="Hi")))
    content = None if given is None else [{"token": "x", "logprob": each} for each in given]
    body["choices"][0]["logprobs"] = {"content": content}
    found = hearing.whole(CHAT, json.dumps(body, separators=(",", ":")).encode()).mean_logprob
    assert found == (None if mean is None else pytest.approx(mean))


def test_log_probabilities_that_are_none() -> None:
    body = json.loads(scripted_whole(CHAT, Reply(text="Hi")))
    body["choices"][0]["logprobs"] = {"content": [{"logprob": "much"}]}
    assert hearing.whole(CHAT, json.dumps(body, separators=(",", ":")).encode()).mean_logprob is None

from typing import Any

from tokenworks.providers.scripted.reply import Reply
from tokenworks.providers.scripted.request import Ask
from tokenworks.providers.scripted.turn import Turn, take
from tokenworks.providers.scripted.wires.logprobs import choice_logprobs, logprob


def turn(**body: Any) -> Turn:
    return take(Ask(1, "openai_chat", "/v1/x", {}, {"model": "m", **body}), Reply(text="one é"))


def test_they_come_only_when_asked_for() -> None:
    assert choice_logprobs(turn(), ["a"]) is None
    assert choice_logprobs(turn(logprobs=False), ["a"]) is None
    assert choice_logprobs(turn(logprobs=True), []) == {"content": [], "refusal": None}


def test_each_token_has_its_value_bytes_and_rivals() -> None:
    told = choice_logprobs(turn(logprobs=True, top_logprobs=2), ["one", " é"])
    assert told is not None
    one, two = told["content"]
    assert (one["token"], one["logprob"]) == ("one", logprob("one"))
    assert bytes(two["bytes"]).decode() == " é"
    assert [rival["token"] for rival in one["top_logprobs"]] == ["one", "one~1"]
    assert one["top_logprobs"][0]["logprob"] > one["top_logprobs"][1]["logprob"]
    assert logprob("one") < 0

import json

import pytest

from bodies import SIZES, chat_body, messages_body


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("size", SIZES.values())
def test_body_has_the_exact_size_and_is_a_chat_request(size: int, stream: bool) -> None:
    body = chat_body("acme/stream-100-pace-20", size, stream)
    request = json.loads(body)
    assert len(body) == size
    assert request["model"] == "acme/stream-100-pace-20"
    assert request.get("stream", False) is stream
    assert {turn["role"] for turn in request["messages"]} <= {"system", "user", "assistant"}
    # The scripted upstream looks for the first "model" in the raw bytes.
    assert body.count(b'"model"') == 1


def test_too_small_a_body_is_refused() -> None:
    with pytest.raises(ValueError, match="too small"):
        chat_body("answer", 50, stream=False)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("size", [6000, 6001, 7321, 20_000, 300_000])
def test_messages_body_has_the_exact_size_and_answers_every_tool_call(size: int, stream: bool) -> None:
    body = messages_body("acme/answer", size, stream)
    request = json.loads(body)
    assert (len(body), request.get("stream", False)) == (size, stream)
    assert [turn["role"] for turn in request["messages"]] == [
        "user",
        *["assistant", "user"] * (len(request["messages"]) // 2),
    ]
    blocks = [block for turn in request["messages"] for block in turn["content"]]
    calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
    assert calls == [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
    assert len(set(calls)) == len(calls) > 0
    assert {one["name"] for one in request["tools"]} >= {one["name"] for one in blocks if "name" in one}
    assert [block["cache_control"]["type"] for block in request["system"]] == ["ephemeral"] * 2
    assert [("cache_control" in block) for block in blocks].count(True) == 1


def test_nothing_but_the_model_is_called_model() -> None:
    # The scripted upstream takes the first "model" of a body, wherever a gateway puts it.
    assert messages_body("acme/answer", 20_000, True).count(b'"model"') == 1


def test_a_messages_body_that_is_too_small_says_how_small_it_may_be() -> None:
    with pytest.raises(ValueError, match="the frame alone is") as caught:
        messages_body("acme/answer", 1000, False)
    least = int(str(caught.value).split()[-2])
    assert len(messages_body("acme/answer", least, False)) == least

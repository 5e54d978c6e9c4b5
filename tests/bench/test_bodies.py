import json

import pytest

from bodies import SIZES, chat_body


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

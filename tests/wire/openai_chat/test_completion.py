"""What is read of chat completions, in all the forms they come in."""

from __future__ import annotations

import pytest

from tokenworks.wire.openai_chat.completion import answer_names, answer_usage, finish_reason, read_answer
from tokenworks.wire.peek import peek

NO_ANSWERS = {
    b"": "not JSON",
    b"<html>": "not JSON",
    b'{"choices":[]': "not JSON",
    b"[]": "not JSON",
    b'{"\xff":1}': "not JSON",
    b'{"choices":' + b"[" * 100_000: "not JSON",
    b"{}": "without 'choices'",
    b'{"error":null}': "without 'choices'",
    b'{"error":{"message":"over\\n  quota"}}': "^over quota$",
    b'{"error":"no"}': "^no$",
    b'{"error":{"code":5}}': "5",
    b'{"error":["\xff"]}': "\ufffd",
    b'{"error":{"message":{"deep":1}}}': "deep",
}


@pytest.mark.parametrize(("data", "words"), NO_ANSWERS.items(), ids=range(len(NO_ANSWERS)))
def test_what_is_no_answer(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        read_answer(data)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_an_error_beside_choices_is_an_answer() -> None:
    assert "choices" in read_answer(b'{"choices":[],"error":{"message":"half"}}')


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"choices":[{"usage":{"prompt_tokens":5,"completion_tokens":1,"cached_tokens":4}}]}', (1, 4, 1)),
        (b'{"usage":null,"choices":[{"index":0},{"usage":{"prompt_tokens":5}}]}', (5, 0, 0)),
        (
            b'{"usage":{"prompt_tokens":9,"completion_tokens":2},"choices":[{"usage":{"prompt_tokens":5}}]}',
            (9, 0, 2),
        ),
        (  # the cache stands inside the choices only
            b'{"usage":{"prompt_tokens":9,"completion_tokens":2},'
            b'"choices":[{"usage":{"prompt_tokens":9,"completion_tokens":2,"cached_tokens":8}}]}',
            (1, 8, 2),
        ),
        (  # no cache is told of in the usage itself, and that is no absence
            b'{"usage":{"prompt_tokens":9,"prompt_tokens_details":{"cached_tokens":0}},'
            b'"choices":[{"usage":{"prompt_tokens":9,"cached_tokens":8}}]}',
            (9, 0, 0),
        ),
        (b'{"usage":"odd","choices":[{"usage":{"prompt_tokens":5}}]}', (5, 0, 0)),
        (b'{"choices":[{"delta":{"content":"\\"usage\\":{"}}]}', None),
        (b'{"choices":{"usage":{"prompt_tokens":5}}}', None),
        (b'{"choices":[{"usage":{"prompt_tokens":5}},null]}', None),
        (b'{"choices":[{"x":{"usage":{"prompt_tokens":5}}}]}', None),
        (b'{"choices":null}', None),
        (b"{}", None),
    ],
)
def test_usage_of_an_answer(data: bytes, expected: tuple[int, int, int] | None) -> None:
    fields = peek(data)
    usage = answer_usage(*(bytes(fields[key]) if key in fields else b"" for key in ("usage", "choices")))
    if expected is None:
        assert usage is None
    else:
        assert usage is not None
        assert (usage.uncached_input_tokens, usage.cache_read_tokens, usage.output_tokens) == expected


def test_finish_reason() -> None:
    assert finish_reason(b'{"finish_reason":null}') == ""
    assert finish_reason(b"") == ""
    assert finish_reason(b'{"finish_reason" : "stop"},{"finish_reason":"tool_calls"}') == "tool_calls"
    assert finish_reason(b'{"finish_reason":"length"},{"finish_reason":null}') == "length"
    assert finish_reason(b'[{"finish_reason":"length","x":"\\"finish_reason\\":\\"stop\\""}]') == "length"
    assert finish_reason(b'[{"finish_reason":"length"},{"finish_reason":"stop"}]') == "stop"
    assert finish_reason(b'{"content":"\\"finish_reason\\":\\"evil\\"","finish_reason":"stop"}') == "stop"
    assert finish_reason(b'{"content":"\\"finish_reason\\":\\"evil\\""}') == ""


def test_names_are_encoded() -> None:
    assert answer_names("a/b", 'q"u') == b'"model":"a/b","provider":"q\\"u",'

"""The top level of a body, whatever JSON allows, and a clear word for what it does not."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks.errors import BadRequest
from tokenworks.wire.peek import flag, peek, raw, text

JSON: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def again(fields: dict[str, msgspec.Raw]) -> Any:
    return json.loads(msgspec.json.encode(fields))


@given(st.dictionaries(st.text(), JSON, max_size=6), st.booleans(), st.sampled_from([None, 1, "\t"]))
@settings(max_examples=80, deadline=None)
def test_any_object_comes_back_as_it_was(value: dict[str, Any], ascii_only: bool, indent: Any) -> None:
    try:
        body = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8
        return
    fields = peek(body)
    assert list(fields) == list(value)
    assert again(fields) == value


def test_values_stay_byte_for_byte() -> None:
    inner = (
        b'[ {"b" :1.50e+01 , "a":"\\u00e9\\/" } ,\n 0.10000000000000000001, 123456789012345678901234567890]'
    )
    fields = peek(b' {"x":1, "messages" : ' + inner + b' , "y":null } \n')
    assert bytes(fields["messages"]) == inner
    assert inner in msgspec.json.encode(fields)


def test_escaped_keys_are_the_same_keys() -> None:
    fields = peek(b'{"mod\\u0065l": "a", "a\\"b\\\\": 1, "\\u00e9\\ud83d\\ude00": 2}')
    assert set(fields) == {"model", 'a"b\\', "é😀"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"cheap","model":"dear"}',
        b'{"model":"cheap","x":{"model":"inner"},"mod\\u0065l":"dear"}',
        b'{"\\u006dodel":"cheap","messages":["\\"model\\":\\"text\\""],"model":"dear"}',
    ],
)
def test_a_key_that_stands_twice_is_sent_once_with_the_value_that_counts(body: bytes) -> None:
    """Else the cheap one is billed and the dear one run."""
    fields = peek(body)
    assert text(fields, "model") == "dear"
    encoded = msgspec.json.encode(fields)
    pairs: list[list[tuple[str, Any]]] = []
    json.loads(encoded, object_pairs_hook=lambda found: pairs.append(found) or dict(found))
    assert [key for key, _ in pairs[-1]].count("model") == 1
    assert json.loads(encoded)["model"] == "dear"


@pytest.mark.parametrize("body", [b'\xef\xbb\xbf{"a":1}', b'\xef\xbb\xbf \r\n\t{"a":1}\n'])
def test_a_byte_order_mark_is_skipped(body: bytes) -> None:
    assert again(peek(body)) == {"a": 1}


NOT_JSON = {
    "nothing": b"",
    "spaces": b" \r\n\t",
    "only a mark": b"\xef\xbb\xbf",
    "a second mark": b'\xef\xbb\xbf\xef\xbb\xbf{"a":1}',
    "cut": b'{"a":1',
    "cut in a string": b'{"a":"',
    "cut in an escape": b'{"a":"\\',
    "trailing garbage": b'{"a":1}x',
    "two objects": b'{"a":1}{"b":2}',
    "trailing comma": b'{"a":1,}',
    "single quotes": b"{'a':1}",
    "bare key": b"{a:1}",
    "comment": b'{"a":1} // x',
    "a line end in a string": b'{"a":"x\ny"}',
    "a zero byte in a string": b'{"a":"x\0y"}',
    "a zero byte behind": b'{"a":1}\0',
    "NaN": b'{"a":NaN}',
    "leading zero": b'{"a":01}',
    "plus": b'{"a":+1}',
    "half a number": b'{"a":1.}',
    "bad escape": b'{"a":"\\x"}',
    "half an escape": b'{"a":"\\u12"}',
    "bad UTF-8 in a key": b'{"\xff":1}',
    "overlong UTF-8 in a key": b'{"\xc0\xaf":1}',
    "a lone surrogate in a key": b'{"\\ud800":1}',
    "a lone surrogate in a value": b'{"messages":["\\ud83d tail"]}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "form data": b"model=a&messages=b",
    "an array": b'[{"model":"a"}]',
    "a string": b'"model"',
    "null": b"null",
    "a number": b"17",
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
def test_anything_else_is_refused_in_one_line(body: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        peek(body)
    assert caught.value.message.startswith("the request body ")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("count", [2_000, 100_000, 2_000_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
@pytest.mark.parametrize("closed", [True, False])
def test_deep_nesting_is_refused(opening: bytes, closing: bytes, closed: bool, count: int) -> None:
    body = b'{"messages":' + opening * count + (b"1" + closing * count + b"}" if closed else b"")
    with pytest.raises(BadRequest, match=r"nested too deeply|not valid JSON"):
        peek(body)
    with pytest.raises(BadRequest):
        peek(opening * count)


def test_reasonable_nesting_is_not() -> None:
    value: Any = 1
    for _ in range(200):
        value = [{"a": value}]
    assert again(peek(json.dumps({"x": value}).encode())) == {"x": value}


def test_huge_numbers_pass_as_they_are() -> None:
    number = b"-" + b"9" * 100_000 + b"." + b"9" * 1000 + b"e999999999"
    assert bytes(peek(b'{"a":%b}' % number)["a"]) == number


def test_bad_utf_8_in_what_is_not_looked_at_passes_as_it_is() -> None:
    fields = peek(b'{"messages":["\xff\xfe"],"user":"\xff"}')
    assert bytes(fields["messages"]) == b'["\xff\xfe"]'
    with pytest.raises(BadRequest, match="'user' must be a string"):
        text(fields, "user")


def test_text() -> None:
    fields = peek(b'{"a":"x\\u00e9","b":null,"c":1,"d":["x"],"e":""}')
    assert [text(fields, key) for key in ("a", "b", "e", "zz")] == ["xé", None, "", None]
    for key in "cd":
        with pytest.raises(BadRequest, match=f"'{key}' must be a string"):
            text(fields, key)


def test_flag() -> None:
    fields = peek(b'{"a":true,"b":false,"c":null,"d":1,"e":"true","f":[true]}')
    assert [flag(fields, key) for key in ("a", "b", "c", "zz")] == [True, False, False, False]
    for key in "def":
        with pytest.raises(BadRequest, match=f"'{key}' must be true or false"):
            flag(fields, key)


@given(JSON)
def test_raw(value: Any) -> None:
    if isinstance(value, int | float | list | dict):
        value = str(value)
    try:
        made = bytes(raw(value))
    except UnicodeEncodeError:
        return
    assert json.loads(made) == value

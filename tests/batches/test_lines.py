"""Lines in and out: any cut of the bytes gives the same lines, and what is wrong says so."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.batches.lines import (
    ENDPOINTS,
    BadLine,
    answered,
    error_line,
    line_of,
    output_line,
    read_line,
    refused,
    split_lines,
)
from tokenworks.ledger.batched import PartRow

CHAT = "/v1/chat/completions"
BODY = {"model": "acme/fast", "messages": [{"role": "user", "content": "hi"}]}


def line(**more: Any) -> bytes:
    given = {"custom_id": "a", "method": "POST", "url": CHAT, "body": BODY, **more}
    return json.dumps({name: value for name, value in given.items() if value is not ...}).encode()


def test_lines_are_numbered_and_blank_ones_left_out() -> None:
    data = b"\xef\xbb\xbfone\r\n\n  \ntwo\nthree"
    assert list(split_lines([data])) == [(1, b"one"), (4, b"two"), (5, b"three")]
    assert list(split_lines([])) == list(split_lines([b""])) == list(split_lines([b"\n\n"])) == []
    assert list(split_lines(["a\u2028b\n".encode()])) == [(1, "a\u2028b".encode())]  # within a text


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=8))
def test_any_cut_gives_the_same_lines(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(edges)]
    assert list(split_lines(pieces)) == list(split_lines([data]))
    assert list(split_lines(pieces, 5)) == [
        (number, text if len(raw) <= 5 else None)
        for number, raw in enumerate(data.split(b"\n"), 1)
        for text in [(raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw).strip()]
        if len(raw) > 5 or text
    ]


def test_a_long_line_is_not_held() -> None:
    def pieces() -> Any:
        for _ in range(1000):
            yield bytes(1000)
        yield b"\nnext"

    assert list(split_lines(pieces(), 10_000)) == [(1, None), (2, b"next")]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_good_line(endpoint: str) -> None:
    wanted = read_line(line(url=endpoint), endpoint)
    assert (wanted.custom_id, json.loads(wanted.body)) == ("a", BODY)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"{", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b"\xff", "not a JSON object"),
        (b"[" * 100_000, "not a JSON object"),
        (line(custom_id=...), "custom_id must be a text"),
        (line(custom_id=7), "custom_id must be a text"),
        (line(custom_id=""), "custom_id must have 1 to 512"),
        (line(custom_id="x" * 513), "custom_id must have 1 to 512"),
        (line(custom_id="a\0b"), "custom_id must have 1 to 512"),
        (line(method="GET"), "method must be 'POST'"),
        (line(method=...), "method must be 'POST'"),
        (line(url="/v1/embeddings"), "url must be '/v1/chat/completions'"),
        (line(body=...), "body is missing"),
        (line(body=[]), "body must be an object"),
        (line(body=None), "body must be an object"),
        (line(body={"messages": []}), "body.model is missing"),
        (line(body={"model": ""}), "body.model is missing"),
        (line(body={**BODY, "stream": True}), "stream can't be true"),
    ],
)
def test_bad_lines(text: bytes, told: str) -> None:
    with pytest.raises(BadLine, match=told):
        read_line(text, CHAT)


def test_a_bad_line_says_whose_it_is() -> None:
    with pytest.raises(BadLine) as caught:
        read_line(line(url="/x"), CHAT)
    assert caught.value.custom_id == "a"
    assert read_line(line(body={**BODY, "stream": False}), CHAT).custom_id == "a"


def test_lines_that_go_out() -> None:
    body = b'{\n "id": "gen-1",\n "text": "a\\nb"\n}'
    part = PartRow("batch_0123", 17, "a", status="done", result=answered(200, "gen-1", body))
    sent = output_line(part)
    assert sent.endswith(b"\n") and sent.count(b"\n") == 1
    assert json.loads(sent) == {
        "id": "batch_req_012300000011",
        "custom_id": "a",
        "response": {"status_code": 200, "request_id": "gen-1", "body": {"id": "gen-1", "text": "a\nb"}},
        "error": None,
    }
    part = PartRow("batch_0123", 17, "", status="failed", result=refused("invalid_line", "line 18: no"))
    told = json.loads(error_line(part))
    assert (told["custom_id"], told["response"]) == (None, None)
    assert told["error"] == {
        "code": "invalid_line",
        "message": "line 18: no",
        "type": "invalid_line",
        "param": None,
    }


def test_what_is_no_json_goes_out_as_text() -> None:
    part = PartRow("b", 0, "a", result=answered(502, "", b"<html>\xff\n</html>"))
    assert json.loads(line_of(part))["response"]["body"] == "<html>\ufffd\n</html>"


@pytest.mark.parametrize(
    ("status", "code"),
    [("expired", "batch_expired"), ("cancelled", "batch_cancelled"), ("failed", "not_run")],
)
def test_what_was_not_run_says_why(status: str, code: str) -> None:
    assert json.loads(error_line(PartRow("b", 0, "a"), status))["error"]["code"] == code

import json
from typing import Any

from tokenworks.providers.scripted.answer import Answer
from tokenworks.providers.scripted.book import Book, Received
from tokenworks.providers.scripted.script import parse
from tokenworks.providers.scripted.stage import Stage


def enter(
    stage: Stage, method: str, path: str, body: bytes = b"{}", **headers: str
) -> tuple[int, Any, Received | None]:
    """Status, decoded body and record of one request."""
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    answer, record = stage.enter(1, method, path, raw, body)
    assert isinstance(answer, Answer)
    return answer.status, json.loads(b"".join(frame.data for frame in answer.frames)), record


def stage_of(script: str = "") -> Stage:
    return Stage(parse(script), Book())


def test_what_no_wire_takes_is_refused_and_recorded() -> None:
    stage = stage_of()
    for method, path, body, status in (
        ("POST", "/v1/nothing", b"{}", 404),
        ("GET", "/v1/chat/completions", b"", 404),
        ("POST", "/v1/chat/completions", b"{oops", 400),
        ("POST", "/v1/chat/completions", b"[]", 400),
        ("GET", "/v1/models/absent", b"", 404),
    ):
        got, told, record = enter(stage, method, path, body)
        assert got == status
        assert told["error"]["message"]
        assert record is not None and record.path == path
    assert stage.book.totals.requests == 5


def test_a_record_says_what_was_chosen() -> None:
    stage = stage_of("[[reply]]\nwhen = { model = 'a' }\ntext = 'x'\nfault = { kind = 'content_type' }")
    record = enter(stage, "POST", "/v1/messages", b'{"model": "a", "stream": false}', X_Two="1", x_two="2")[2]
    assert record is not None
    assert (record.wire, record.model, record.rule, record.fault) == (
        "anthropic_messages",
        "a",
        0,
        "content_type",
    )
    assert record.headers == {"x-two": "1, 2"}
    assert record.body == {"model": "a", "stream": False}
    other = enter(stage, "POST", "/v1/messages", b'{"model": "b"}')[2]
    assert other is not None and (other.number, other.rule, other.fault) == (2, None, None)


def test_a_key_is_checked_in_either_header() -> None:
    stage = stage_of("api_key = 'sk-1'")
    body = b'{"model": "a", "messages": []}'
    for headers, status in (
        ({}, 401),
        ({"authorization": "Bearer sk-2"}, 401),
        ({"authorization": "Bearer sk-1"}, 200),
        ({"x_api_key": "sk-1"}, 200),
    ):
        assert enter(stage, "POST", "/v1/chat/completions", body, **headers)[0] == status
    wrong = enter(stage, "POST", "/v1/messages", body)
    assert wrong[1]["error"]["type"] == "authentication_error"


def test_the_book_is_told_and_wiped_over_http() -> None:
    stage = stage_of()
    enter(stage, "POST", "/v1/chat/completions", b'{"model": "a", "messages": []}')
    status, told, record = enter(stage, "GET", "/__scripted/requests")
    assert (status, record) == (200, None)
    assert [(r["number"], r["path"], r["body"]["model"]) for r in told["requests"]] == [
        (1, "/v1/chat/completions", "a")
    ]
    assert enter(stage, "GET", "/__scripted/totals")[1]["requests"] == 1
    assert enter(stage, "DELETE", "/__scripted")[0] == 200
    assert enter(stage, "GET", "/__scripted/totals")[1]["requests"] == 0
    assert enter(stage, "GET", "/__scripted/else")[0] == 404


def test_another_script_is_played_from_then_on() -> None:
    stage = stage_of()
    assert enter(stage, "PUT", "/__scripted/script", b"[[reply]]\ntext = 'new'")[0] == 200
    said = enter(stage, "POST", "/v1/chat/completions", b'{"model": "a"}')[1]
    assert said["choices"][0]["message"]["content"] == "new"
    status, told, _ = enter(stage, "PUT", "/__scripted/script", b"[[reply]]\nx = 1")
    assert status == 400 and "unknown field `x`" in told["error"]["message"]
    assert enter(stage, "POST", "/v1/chat/completions", b'{"model": "a"}')[1]["choices"], "the old one stays"

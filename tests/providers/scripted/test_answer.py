import json
from random import Random
from typing import Any

import pytest

from tokenworks.providers.scripted.answer import Answer, make
from tokenworks.providers.scripted.fault import Fault
from tokenworks.providers.scripted.reply import Reply
from tokenworks.providers.scripted.request import Ask, WireName

HI = Reply(text="hi")


def answer(
    fault: Fault | None = None, wire: WireName = "openai_chat", reply: Reply = HI, **body: Any
) -> Answer:
    ask = Ask(1, wire, "/v1/x", {}, {"model": "m", "messages": [], **body})
    return make(ask, reply, fault, Random(0), ("m",))


def body_of(made: Answer) -> bytes:
    return b"".join(frame.data for frame in made.frames)


def test_a_whole_answer_knows_its_length_and_can_go_at_once() -> None:
    made = answer()
    assert (made.status, made.content_type, made.streamed, made.instant) == (
        200,
        "application/json",
        False,
        True,
    )
    assert made.length == len(body_of(made))
    assert not answer(reply=Reply(first_byte_delay_s=1)).instant
    assert not answer(reply=Reply(framing="chunked")).instant


def test_a_stream_has_no_length() -> None:
    made = answer(stream=True)
    assert made.content_type.startswith("text/event-stream")
    assert (made.length, made.streamed, made.instant) == (None, True, False)


@pytest.mark.parametrize(
    ("wire", "kind"),
    [
        (
            "openai_chat",
            {"message": "slow down", "type": "requests", "param": None, "code": "rate_limit_exceeded"},
        ),
        (
            "openai_responses",
            {"message": "slow down", "type": "requests", "param": None, "code": "rate_limit_exceeded"},
        ),
        ("anthropic_messages", {"message": "slow down", "type": "rate_limit_error"}),
        ("count_tokens", {"message": "slow down", "type": "rate_limit_error"}),
    ],
)
def test_a_status_comes_in_the_wires_shape(wire: WireName, kind: dict[str, Any]) -> None:
    made = answer(Fault("status", status=429, retry_after_s=1.5, message="slow down"), wire, stream=True)
    assert (made.status, made.headers, made.instant) == (429, {"retry-after": "1.5"}, True)
    assert json.loads(body_of(made))["error"] == kind


def test_pages_bodies_and_types_that_nobody_expects() -> None:
    page = answer(Fault("html"))
    assert (page.status, page.content_type) == (502, "text/html; charset=utf-8")
    assert b"<h1>502" in body_of(page)
    inside = answer(Fault("error_body", message="no"))
    assert (inside.status, json.loads(body_of(inside))["error"]["message"]) == (200, "no")
    assert answer(Fault("content_type")).content_type == "text/plain"
    raw = answer(Fault("status", status=503, body="busy", content_type="text/plain"))
    assert (body_of(raw), raw.content_type) == (b"busy", "text/plain")


def test_a_cut_body_says_the_length_it_has() -> None:
    whole = body_of(answer())
    cut = answer(Fault("truncate", at_byte=20))
    assert (cut.length, body_of(cut), cut.cut) == (20, whole[:20], True)
    noise = answer(Fault("garbage"))
    assert noise.length == len(first := body_of(noise)) == 512
    assert first == body_of(answer(Fault("garbage"))), "garbage follows from the dice"


def test_an_error_event_of_an_answer_that_is_not_streamed_is_a_status() -> None:
    assert answer(Fault("error_event")).status == 500
    assert answer(Fault("error_event"), stream=True).status == 200

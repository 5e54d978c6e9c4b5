"""Responses: whole answers, streams and errors. Shapes and order: OpenAI API reference, "Responses"
and "Streaming events". Every event carries its ``sequence_number``; there is no ``[DONE]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tokenworks.providers.scripted.fault import Fault
from tokenworks.providers.scripted.frame import Frame, encode, named_event
from tokenworks.providers.scripted.turn import Turn
from tokenworks.providers.scripted.usage import responses_usage
from tokenworks.providers.scripted.wires import openai_chat
from tokenworks.providers.scripted.wires.items import Event, output_items

INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
ECHOED: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}

error = openai_chat.error


def whole(turn: Turn) -> Frame:
    """The body of an answer that is not streamed."""
    status = final_status(turn)
    items = [item.done for item in output_items(turn, _item_status(status))]
    told = responses_usage(turn.usage, turn.reply)
    return Frame(encode(_response(turn, status, items, told)), turn.usage if told is not None else None)


def frames(turn: Turn) -> Iterator[Frame]:
    """The events of a stream, in order."""
    status = final_status(turn)
    number = 0
    done: list[Event] = []
    for event in _opening(turn):
        yield named_event({**event, "sequence_number": number})
        number += 1
    for index, item in enumerate(output_items(turn, _item_status(status))):
        for event in item.events:
            yield named_event({**event, "output_index": index, "sequence_number": number})
            number += 1
        done.append(item.done)
    told = responses_usage(turn.usage, turn.reply)
    ending = {"type": f"response.{status}", "response": _response(turn, status, done, told)}
    claimed = turn.usage if told is not None else None
    yield named_event({**ending, "sequence_number": number}, claimed, last=True)


def error_frames(turn: Turn, fault: Fault, sent: int) -> Iterator[Frame]:
    """What a stream that fails after ``sent`` events ends with."""
    code = fault.error_code or "server_error"
    told = {"type": "error", "code": code, "message": fault.message, "param": None}
    yield named_event({**told, "sequence_number": sent})
    response = _response(turn, "failed", [], None)
    response["error"] = {"code": code, "message": fault.message}
    yield named_event({"type": "response.failed", "response": response, "sequence_number": sent + 1})


def final_status(turn: Turn) -> str:
    """``completed``, ``incomplete`` or ``failed``; also how the last event is called."""
    if turn.finish == "failed":
        return "failed"
    return "incomplete" if turn.finish in INCOMPLETE else "completed"


def _item_status(status: str) -> str:
    return "completed" if status == "completed" else "incomplete"


def _opening(turn: Turn) -> Iterator[Event]:
    for kind in ("response.created", "response.in_progress"):
        yield {"type": kind, "response": _response(turn, "in_progress", [], None)}


def _response(turn: Turn, status: str, output: list[Event], told: dict[str, Any] | None) -> dict[str, Any]:
    body = turn.ask.body
    response: dict[str, Any] = {
        "id": turn.id("resp_"),
        "object": "response",
        "created_at": turn.created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": turn.model,
        "output": output,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "usage": told,
    }
    for key, default in ECHOED.items():
        value = body.get(key)
        response[key] = default if value is None else value
    if isinstance(body.get("reasoning"), dict):
        response["reasoning"] = body["reasoning"]
    if status == "incomplete":
        response["incomplete_details"] = {"reason": INCOMPLETE[turn.finish]}
    if status == "failed":
        response["error"] = {"code": "server_error", "message": "The model failed, as the script says."}
    return response

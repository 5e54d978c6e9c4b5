"""Chat completions: whole answers, streams and errors.

Shapes and order: OpenAI API reference, "Chat Completions" and "Streaming"; ``reasoning_content`` from
DeepSeek's reference, ``reasoning`` and ``reasoning_details`` from OpenRouter's, usage within
``choices`` from Moonshot's.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, zip_longest
from typing import Any

from tokenworks.providers.scripted.fault import Fault
from tokenworks.providers.scripted.frame import Frame, data_event, encode
from tokenworks.providers.scripted.turn import Turn
from tokenworks.providers.scripted.usage import chat_usage
from tokenworks.providers.scripted.wires.logprobs import choice_logprobs
from tokenworks.providers.scripted.wires.reasoning import delta_of_thought, message_of_thought, prelude

DONE = Frame(b"data: [DONE]\n\n", last=True)
ERROR_TYPES = {401: "invalid_request_error", 403: "invalid_request_error", 429: "requests"}
ERROR_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}

Delta = dict[str, Any]


def whole(turn: Turn) -> Frame:
    """The body of an answer that is not streamed."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": _content(turn),
        "refusal": turn.reply.refusal or None,
        **message_of_thought(turn),
    }
    if turn.reply.tool_calls:
        message["tool_calls"] = [
            {"id": turn.call_id(i), "type": "function", "function": {"name": c.name, "arguments": c.json}}
            for i, c in enumerate(turn.reply.tool_calls)
        ]
    logprobs = choice_logprobs(turn, turn.pieces)
    told = chat_usage(turn.usage, turn.reply)
    body = {
        "id": turn.id("chatcmpl-"),
        "object": "chat.completion",
        "created": turn.created,
        "model": turn.model,
        "choices": [
            {"index": i, "message": message, "logprobs": logprobs, "finish_reason": turn.finish}
            for i in range(turn.choices)
        ],
        "service_tier": "default",
        "system_fingerprint": "fp_scripted",
    }
    if told is not None:
        body["usage"] = told
    return Frame(encode(body), turn.usage if told is not None else None)


def frames(turn: Turn) -> Iterator[Frame]:
    """The events of a stream, in order."""
    told, usage = chat_usage(turn.usage, turn.reply), turn.usage
    place = _place(turn)
    final = place in ("final", "both") and turn.ask.include_usage
    for delta, logprobs in _deltas(turn):
        for index in range(turn.choices):
            chunk = _chunk(turn, [_choice(index, delta, logprobs)])
            if place == "every" and told is not None:
                chunk["usage"] = told
                yield data_event(chunk, usage)
                continue
            if final:
                chunk["usage"] = None
            yield data_event(chunk)
    for index in range(turn.choices):
        choice = _choice(index, {}, None, turn.finish)
        chunk = _chunk(turn, [choice])
        claimed = None
        if told is not None and index == turn.choices - 1 and place != "final":
            claimed = usage
            (choice if place in ("choices", "both") else chunk)["usage"] = told
        if final:
            chunk["usage"] = None
        yield data_event(chunk, claimed)
    if final and told is not None:
        yield data_event({**_chunk(turn, []), "usage": told}, usage)
    yield DONE


def error(status: int, fault: Fault) -> bytes:
    """The body of an error answer."""
    kind = fault.error_type or ERROR_TYPES.get(status) or _kind(status)
    code = fault.error_code or ERROR_CODES.get(status)
    return encode({"error": {"message": fault.message, "type": kind, "param": None, "code": code}})


def error_frames(turn: Turn, fault: Fault, sent: int) -> Iterator[Frame]:
    """What a stream that fails after ``sent`` events ends with."""
    status = fault.status or 500
    yield Frame(b"data: " + error(status, fault) + b"\n\n")


def _place(turn: Turn) -> str:
    """Where the usage of a stream stands: "both" is in the last choice and in a chunk of its own."""
    place = turn.reply.usage_place
    if place == "auto":
        return "both" if turn.reply.usage_style == "moonshot" else "final"
    return "final" if place == "end_only" else place


def _kind(status: int) -> str:
    return "invalid_request_error" if status < 500 else "server_error"


def _content(turn: Turn) -> str | None:
    text = prelude(turn) + turn.text
    if text or not (turn.reply.refusal or turn.reply.tool_calls):
        return text
    return None


def _chunk(turn: Turn, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": turn.id("chatcmpl-"),
        "object": "chat.completion.chunk",
        "created": turn.created,
        "model": turn.model,
        "service_tier": "default",
        "system_fingerprint": "fp_scripted",
        "choices": choices,
    }


def _choice(index: int, delta: Delta, logprobs: Any, finish: str | None = None) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}


def _deltas(turn: Turn) -> Iterator[tuple[Delta, dict[str, Any] | None]]:
    reply = turn.reply
    spoken = "" if turn.pieces or not (reply.tool_calls or reply.refusal) else None
    yield {"role": "assistant", "content": spoken, "refusal": None}, None
    for thought in delta_of_thought(turn):
        yield thought, None
    for piece in turn.pieces:
        yield {"content": piece}, choice_logprobs(turn, [piece])
    for piece in reply.pieces(reply.refusal) if reply.refusal else ():
        yield {"refusal": piece}, None
    for delta in _calls(turn):
        yield delta, None


def _calls(turn: Turn) -> Iterator[Delta]:
    calls = [list(_call(turn, index)) for index in range(len(turn.reply.tool_calls))]
    if not turn.reply.interleave:
        yield from chain.from_iterable(calls)
        return
    for row in zip_longest(*calls):
        yield from (delta for delta in row if delta is not None)


def _call(turn: Turn, index: int) -> Iterator[Delta]:
    call = turn.reply.tool_calls[index]
    function = {"name": call.name, "arguments": call.json if call.at_start else ""}
    opening = {"index": index, "id": turn.call_id(index), "type": "function", "function": function}
    yield {"tool_calls": [opening]}
    for piece in call.pieces():
        yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}

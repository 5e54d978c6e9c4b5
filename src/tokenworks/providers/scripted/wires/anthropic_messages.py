"""Messages: whole answers, streams and errors. Shapes and order: Anthropic API reference, "Messages",
"Streaming" and "Errors". Usage of a stream is cumulative: input at its start, everything at its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from tokenworks.providers.scripted.fault import Fault
from tokenworks.providers.scripted.frame import Frame, encode, named_event
from tokenworks.providers.scripted.reply import ToolCall
from tokenworks.providers.scripted.turn import Turn
from tokenworks.providers.scripted.usage import NO_USAGE, messages_usage
from tokenworks.schema import Usage

STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}

Event = dict[str, Any]


def whole(turn: Turn) -> Frame:
    """The body of an answer that is not streamed."""
    body = _message(turn, [block for block, _ in _blocks(turn)])
    told = messages_usage(turn.usage, turn.reply)
    body["stop_reason"] = _stop_reason(turn)
    body["stop_details"] = _stop_details(turn)
    if told is not None:
        body["usage"] = told
    return Frame(encode(body), turn.usage if told is not None else None)


def frames(turn: Turn) -> Iterator[Frame]:
    """The events of a stream, in order."""
    at_start = _usage_at_start(turn)
    message = _message(turn, [])
    told = messages_usage(at_start, turn.reply)
    if told is not None:
        message["usage"] = told
    yield named_event({"type": "message_start", "message": message}, at_start if told is not None else None)
    for index, (block, deltas) in enumerate(_blocks(turn)):
        opening = _opening(block, deltas)
        yield named_event({"type": "content_block_start", "index": index, "content_block": opening})
        if index == 0:
            yield named_event({"type": "ping"})
        for delta in deltas:
            yield named_event({"type": "content_block_delta", "index": index, "delta": delta})
        yield named_event({"type": "content_block_stop", "index": index})
    yield _ending(turn)
    yield named_event({"type": "message_stop"}, last=True)


def error(status: int, fault: Fault) -> bytes:
    """The body of an error answer."""
    return encode(_error_event(status, fault))


def error_frames(turn: Turn, fault: Fault, sent: int) -> Iterator[Frame]:
    """What a stream that fails after ``sent`` events ends with."""
    yield named_event(_error_event(fault.status or 529, fault))


def _error_event(status: int, fault: Fault) -> Event:
    kind = fault.error_type or ERROR_TYPES.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": fault.message}, "request_id": "req_scripted"}


def _message(turn: Turn, content: list[Event]) -> Event:
    return {
        "id": turn.id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": turn.model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
    }


def _ending(turn: Turn) -> Frame:
    delta: Event = {"stop_reason": _stop_reason(turn), "stop_sequence": None}
    details = _stop_details(turn)
    if details is not None:
        delta["stop_details"] = details
    event: Event = {"type": "message_delta", "delta": delta}
    told = messages_usage(turn.usage, turn.reply)
    if told is None:
        return named_event(event)
    if turn.reply.usage_raw is None:
        told = {key: value for key, value in told.items() if key not in ("cache_creation", "service_tier")}
    event["usage"] = told
    return named_event(event, turn.usage)


def _usage_at_start(turn: Turn) -> Usage:
    """What is known before the first token; nothing at all where a provider tells it at the end only."""
    if turn.reply.usage_place == "end_only":
        return NO_USAGE
    early = min(1, turn.usage.output_tokens)
    return msgspec.structs.replace(turn.usage, output_tokens=early, reasoning_tokens=0)


def _stop_reason(turn: Turn) -> str:
    if turn.reply.refusal and not turn.reply.finish:
        return "refusal"
    return STOP_REASONS.get(turn.finish, turn.finish)


def _stop_details(turn: Turn) -> Event | None:
    if _stop_reason(turn) != "refusal":
        return None
    return {"type": "refusal", "category": None, "explanation": turn.reply.refusal or None}


def _blocks(turn: Turn) -> Iterator[tuple[Event, list[Event]]]:
    """Each content block, whole, with the deltas that build it up in a stream."""
    reply = turn.reply
    if reply.reasoning:
        deltas: list[Event] = [{"type": "thinking_delta", "thinking": piece} for piece in turn.thoughts]
        deltas.append({"type": "signature_delta", "signature": reply.signature})
        yield {"type": "thinking", "thinking": reply.reasoning, "signature": reply.signature}, deltas
    if reply.redacted_reasoning:
        yield {"type": "redacted_thinking", "data": reply.redacted_reasoning}, []
    if turn.text:
        yield {"type": "text", "text": turn.text}, [{"type": "text_delta", "text": p} for p in turn.pieces]
    for index, call in enumerate(reply.tool_calls):
        block = {
            "type": "tool_use",
            "id": turn.call_id(index, "toolu_"),
            "name": call.name,
            "input": _input(call),
        }
        yield block, [{"type": "input_json_delta", "partial_json": p} for p in call.pieces()]


def _opening(block: Event, deltas: list[Event]) -> Event:
    """A block as its start event has it: empty where deltas fill it."""
    if not deltas:
        return block
    empty = {"text": "", "thinking": "", "signature": "", "input": {}}
    return {key: empty.get(key, value) if key != "type" else value for key, value in block.items()}


def _input(call: ToolCall) -> Any:
    """Arguments as an object; a text that is none is kept, so that nothing is lost in silence."""
    try:
        return msgspec.json.decode(call.json or "{}", type=dict[str, Any])
    except msgspec.DecodeError:
        return {"malformed": call.json}

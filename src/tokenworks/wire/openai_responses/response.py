"""The response object, which tells a caller much of what he asked, and the items in it."""

from __future__ import annotations

from typing import Any

import msgspec

from tokenworks.schema import Usage
from tokenworks.wire.answer import Telling
from tokenworks.wire.costs import RESPONSES as COSTS
from tokenworks.wire.costs import with_cost
from tokenworks.wire.openai_responses.namespace import namespaces_in
from tokenworks.wire.peek import Fields, raw
from tokenworks.wire.signature import RESPONSES, sealed
from tokenworks.wire.usage_written import responses_usage

Called = dict[str, str]  # "name" and perhaps "namespace" of a tool

# Fields of the request that an answer repeats, as they are where the request does not say.
ECHOED: dict[str, Any] = {
    "frequency_penalty": 0.0,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "presence_penalty": 0.0,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
# Why a response is incomplete; anything else has completed it.
INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter", "refusal": "content_filter"}

_DEFAULTS: Fields = {key: raw(value) for key, value in ECHOED.items()}
_encode = msgspec.json.Encoder().encode


def fixed(telling: Telling, created: int) -> bytes:
    """What stays the same in all responses of one answer, with a brace before it and none behind."""
    asked = telling.asked
    echoed = {
        key: asked[key] if key in asked and bytes(asked[key]) != b"null" else default
        for key, default in _DEFAULTS.items()
    }
    response = {
        "id": telling.generation,
        "object": "response",
        "created_at": created,
        "model": telling.model,
        "provider": telling.provider,
        "background": False,
        **echoed,
    }
    return _encode(response)[:-1]


def under_way(fixed: bytes) -> bytes:
    """A response that has only begun."""
    told: dict[str, Any] = {
        "status": "in_progress",
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "output": [],
    }
    return b"%b,%b" % (fixed, _encode(told)[1:])


def ended(fixed: bytes, stop: str, output: list[bytes], usage: msgspec.Raw | None, now: int) -> bytes:
    """A response of which nothing more comes; ``stop`` is why, ``now`` in unix seconds."""
    status = status_of(stop)
    told: dict[str, Any] = {
        "status": status,
        "completed_at": now if status == "completed" else None,
        "error": None,
        "incomplete_details": {"reason": INCOMPLETE[stop]} if status == "incomplete" else None,
    }
    if usage is not None:
        told["usage"] = usage
    return b'%b,"output":[%b],%b' % (fixed, b",".join(output), _encode(told)[1:])


def failed(fixed: bytes, output: list[bytes], code: str, message: str) -> bytes:
    """A response that failed."""
    told = {
        "status": "failed",
        "completed_at": None,
        "error": {"code": code, "message": message},
        "incomplete_details": None,
    }
    return b'%b,"output":[%b],%b' % (fixed, b",".join(output), _encode(told)[1:])


def status_of(stop: str) -> str:
    """Whether a response that stopped for this reason is completed or incomplete."""
    return "incomplete" if stop in INCOMPLETE else "completed"


def usage_told(telling: Telling, usage: Usage, cost_nano_usd: int) -> msgspec.Raw:
    """The ``usage`` of a response, with its cost."""
    return with_cost(raw(responses_usage(usage)), COSTS, usage, telling.price, cost_nano_usd)


def item_id(prefix: str, generation: str, index: int) -> str:
    """The id of the item at ``index`` of the output; its prefix tells its kind."""
    return f"{prefix}_{generation.removeprefix('gen-')}{index:03d}"


def message(id: str, status: str, part: dict[str, Any] | None) -> dict[str, Any]:
    """A message of one part, or none."""
    content = [part] if part is not None else []
    return {"id": id, "type": "message", "status": status, "role": "assistant", "content": content}


def text_part(text: str) -> dict[str, Any]:
    """Text in a message."""
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def refusal_part(text: str) -> dict[str, Any]:
    """A refusal in a message."""
    return {"type": "refusal", "refusal": text}


def reasoning(id: str, text: str, opaque: str, format: str, status: str) -> dict[str, Any]:
    """Reasoning. ``opaque`` is its signature, or data that stand for it, of a maker's ``format``."""
    item: dict[str, Any] = {"id": id, "type": "reasoning", "summary": [summary_part(text)] if text else []}
    if opaque:
        item["encrypted_content"] = sealed(opaque, format, RESPONSES)
    item["status"] = status
    return item


def summary_part(text: str) -> dict[str, Any]:
    """A part of a summary."""
    return {"type": "summary_text", "text": text}


def function_call(id: str, call_id: str, called: Called, arguments: str, status: str) -> dict[str, Any]:
    """A call of a function."""
    return {
        "id": id,
        "type": "function_call",
        "status": status,
        "call_id": call_id,
        **called,
        "arguments": arguments,
    }


def custom_call(id: str, call_id: str, called: Called, input: str, status: str) -> dict[str, Any]:
    """A call of a tool of free text."""
    return {
        "id": id,
        "type": "custom_tool_call",
        "status": status,
        "call_id": call_id,
        **called,
        "input": input,
    }


def called(name: str, telling: Telling) -> Called:
    """The ``name`` of the caller's tool that the provider knows as ``name``, and its namespace if any."""
    own = namespaces_in(telling.asked).get(name)
    return {"name": name} if own is None else {"namespace": own[0], "name": own[1]}


def image_call(id: str, data: str | None, media_type: str, status: str) -> dict[str, Any]:
    """A picture that was made; ``data`` is base64."""
    item = {"id": id, "type": "image_generation_call", "status": status, "result": data}
    form = media_type.removeprefix("image/")
    if form in ("png", "webp", "jpeg", "gif"):
        item["output_format"] = form
    return item


_CODES = {400: "invalid_prompt", 413: "invalid_prompt", 422: "invalid_prompt", 429: "rate_limit_exceeded"}


def error_code(status: int) -> str:
    """The wire's own word for an HTTP status."""
    return _CODES.get(status, "server_error")

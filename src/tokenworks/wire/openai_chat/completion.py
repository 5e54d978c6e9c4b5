"""What is read of a chat completion, whole or a chunk of one."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from tokenworks.schema import Usage
from tokenworks.wire.complaint import error_message
from tokenworks.wire.peek import MALFORMED, Fields, raw
from tokenworks.wire.usage import from_openai, fuller

_decode_fields = msgspec.json.Decoder(Fields).decode
_decode_choices = msgspec.json.Decoder(list[Fields]).decode
_encode = msgspec.json.Encoder().encode
REASONING = ("reasoning", "reasoning_content", "reasoning_details")
_FINISH = re.compile(rb'"finish_reason"\s*:\s*"([a-zA-Z_]+)"')


def read_answer(body: bytes) -> Fields:
    """Top level of a whole answer. Raises ValueError, saying why, when it is none."""
    try:
        fields = _decode_fields(body)
    except MALFORMED as error:
        raise ValueError(f"not JSON ({error})") from None
    if "error" in fields and "choices" not in fields and bytes(fields["error"]) != b"null":
        raise ValueError(error_message(bytes(fields["error"])))
    if "choices" not in fields:
        raise ValueError("an answer without 'choices'")
    return fields


def answer_usage(given: bytes, choices: bytes) -> Usage | None:
    """Usage of a whole answer or of a chunk: the object ``given``, or where it stands inside ``choices``.

    Both are empty where there is none.
    """
    usage = from_openai(given) if len(given) > len(b"null") else None
    if usage is not None and (usage.cache_read_tokens or b"cached_tokens" in given):
        return usage
    inner = _usage_in(choices) if b'"usage"' in choices else None
    if inner is None:
        return usage
    return inner if usage is None else fuller(usage, inner)


def _usage_in(choices: bytes) -> Usage | None:
    try:
        found = [choice["usage"] for choice in _decode_choices(choices) if "usage" in choice]
    except MALFORMED:
        return None
    return from_openai(found[0]) if found else None


def finish_reason(data: bytes) -> str:
    """The last finish reason that stands in ``data``; empty when none does."""
    if data.endswith(b'"finish_reason":"stop"}]'):
        return "stop"
    end = len(data)
    while True:
        at = data.rfind(b'"finish_reason"', 0, end)
        if at < 0:
            return ""
        match = _FINISH.match(data, at)
        if match:
            return match.group(1).decode()
        end = at  # null, as in every chunk but the last


@lru_cache(maxsize=4096)
def answer_names(model: str, provider: str) -> bytes:
    """Model and provider as they stand in every answer of one endpoint."""
    return b'"model":%b,"provider":%b,' % (_encode(model), _encode(provider))


def without_reasoning(choices: msgspec.Raw) -> msgspec.Raw:
    """The choices of a whole answer without what the model thought, by whatever name it stands there."""
    try:
        kept = _decode_choices(choices)
        for choice in kept:
            if "message" in choice:
                message = _decode_fields(choice["message"])
                choice["message"] = raw({key: message[key] for key in message if key not in REASONING})
    except MALFORMED:
        return choices
    return raw(kept)

"""The messages protocol, its counting of tokens, and its own shape of errors."""

from __future__ import annotations

from tokenworks.api.schemas.parts import (
    COUNT,
    MODEL,
    OBJECT,
    ROUTING,
    STREAM,
    STRING,
    STRINGS,
    Schema,
    array,
    either,
    maybe,
    number,
    struct,
    told,
    whole,
    words,
)

_KINDS = "text, image, document, thinking, tool_use, tool_result and others"
_BLOCKS = array(struct(("type",), type=told(STRING, _KINDS), text=STRING, cache_control=maybe(OBJECT)))
_TOOL = struct(("name",), name=STRING, type=maybe(STRING), description=STRING, input_schema=OBJECT)
_ASKED: dict[str, Schema] = {
    "model": MODEL,
    "messages": array(
        struct(("role", "content"), role=words("user", "assistant"), content=either(STRING, _BLOCKS)), 1
    ),
    "system": maybe(either(STRING, _BLOCKS)),
    "tools": maybe(array(_TOOL)),
    "tool_choice": maybe(struct(("type",), type=words("auto", "any", "tool", "none"), name=STRING)),
    "thinking": maybe(struct(("type",), type=STRING, budget_tokens=whole(1))),
}
MESSAGES_REQUEST: Schema = struct(
    ("model", "messages", "max_tokens"),
    **_ASKED,
    max_tokens={"type": "integer", "minimum": 1},
    stream=STREAM,
    temperature=number(0, 1),
    top_p=number(0, 1),
    top_k=whole(0),
    stop_sequences=maybe(STRINGS),
    metadata=maybe(struct(user_id=maybe(STRING))),
    **ROUTING,
)
MESSAGES_ANSWER: Schema = struct(
    ("id", "type", "role", "content", "model", "stop_reason", "usage"),
    id=told(STRING, "for GET /v1/generation"),
    type=words("message"),
    role=words("assistant"),
    content=_BLOCKS,
    model=told(STRING, "the model that answered"),
    stop_reason=maybe(STRING),
    stop_sequence=maybe(STRING),
    usage=struct(
        ("input_tokens", "output_tokens"),
        input_tokens=told(COUNT, "without those read from a cache or written to it"),
        cache_read_input_tokens=maybe(COUNT),
        cache_creation_input_tokens=maybe(COUNT),
        output_tokens=COUNT,
    ),
)

COUNT_REQUEST: Schema = struct(("model", "messages"), **_ASKED)
COUNT_ANSWER: Schema = struct(("input_tokens",), input_tokens=COUNT)

MESSAGES_ERROR: Schema = struct(
    ("type", "error"),
    type=words("error"),
    error=struct(("type", "message"), type=STRING, message=told(STRING, "one line that names the fix")),
)

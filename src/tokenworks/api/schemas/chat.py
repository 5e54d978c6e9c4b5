"""Chat completions, and the older completions of one prompt."""

from __future__ import annotations

from tokenworks.api.schemas.parts import (
    BOOLEAN,
    COUNT,
    MODEL,
    NUMBER,
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

_PARTS = array(struct(("type",), type=STRING, text=STRING, image_url=OBJECT, cache_control=OBJECT))
_TEXT = either(STRING, _PARTS)
_CALL = struct(
    ("id", "type", "function"),
    id=STRING,
    type=STRING,
    function=struct(("name", "arguments"), name=STRING, arguments=STRING),
)


def _message(role: Schema, required: tuple[str, ...], **fields: Schema) -> Schema:
    return struct(("role", *required), role=role, name=STRING, **fields)


MESSAGE: Schema = either(
    _message(words("system", "developer", "user"), ("content",), content=_TEXT),
    _message(
        words("assistant"), (), content=maybe(_TEXT), tool_calls=maybe(array(_CALL)), reasoning=maybe(STRING)
    ),
    _message(words("tool"), ("content", "tool_call_id"), content=_TEXT, tool_call_id=STRING),
)
_TOOL = struct(
    ("type",),
    type=STRING,
    function=struct(("name",), name=STRING, description=STRING, parameters=OBJECT, strict=maybe(BOOLEAN)),
)
_CHOICE = either(words("none", "auto", "required"), struct(("type",), type=STRING, function=OBJECT))
_FORMAT = struct(("type",), type=STRING, json_schema=OBJECT)
_SAMPLING: dict[str, Schema] = {
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "frequency_penalty": number(-2, 2),
    "presence_penalty": number(-2, 2),
    "logit_bias": maybe(struct()),
    "seed": {"type": ["integer", "null"]},
    "stop": maybe(either(STRING, STRINGS)),
    "n": whole(1, 128),
    "user": maybe(STRING),
}
_STREAM_OPTIONS = told(
    maybe(struct(include_usage=maybe(BOOLEAN))), "include_usage: a last event tells the usage"
)

CHAT_REQUEST: Schema = struct(
    ("model", "messages"),
    model=MODEL,
    messages=array(MESSAGE, 1),
    stream=STREAM,
    stream_options=_STREAM_OPTIONS,
    max_tokens=whole(1),
    max_completion_tokens=whole(1),
    tools=maybe(array(_TOOL)),
    tool_choice=maybe(_CHOICE),
    parallel_tool_calls=maybe(BOOLEAN),
    response_format=maybe(_FORMAT),
    logprobs=maybe(BOOLEAN),
    top_logprobs=whole(0, 20),
    reasoning=told(
        maybe(struct(effort=maybe(STRING), max_tokens=whole(1), exclude=maybe(BOOLEAN))), "thinking"
    ),
    reasoning_effort=maybe(STRING),
    **_SAMPLING,
    **ROUTING,
)

USAGE: Schema = struct(
    ("prompt_tokens", "completion_tokens", "total_tokens"),
    prompt_tokens=COUNT,
    completion_tokens=COUNT,
    total_tokens=COUNT,
    prompt_tokens_details=maybe(OBJECT),
    completion_tokens_details=maybe(OBJECT),
    cost=told(NUMBER, "dollars"),
)
_NAMES: dict[str, Schema] = {
    "id": told(STRING, "for GET /v1/generation"),
    "object": STRING,
    "created": {"type": "integer"},
    "model": told(STRING, "the model that answered"),
    "provider": told(STRING, "who served it"),
}
CHAT_ANSWER: Schema = struct(
    ("id", "object", "created", "model", "choices", "system_fingerprint"),
    **_NAMES,
    choices=array(
        struct(
            ("index", "message", "finish_reason"),
            index=COUNT,
            message=struct(("role",), role=STRING, content=maybe(STRING), tool_calls=maybe(array(_CALL))),
            finish_reason=maybe(STRING),
            logprobs=maybe(OBJECT),
        )
    ),
    system_fingerprint=maybe(STRING),
    usage=USAGE,
)

_PROMPT = either(STRING, STRINGS, array({"type": "integer"}), array(array({"type": "integer"})))
COMPLETIONS_REQUEST: Schema = struct(
    ("model", "prompt"),
    model=MODEL,
    prompt=told(_PROMPT, "what the answer goes on from"),
    stream=STREAM,
    stream_options=_STREAM_OPTIONS,
    max_tokens=whole(0),
    suffix=maybe(STRING),
    echo=maybe(BOOLEAN),
    best_of=whole(1, 20),
    logprobs=whole(0, 5),
    **_SAMPLING,
    **ROUTING,
)
COMPLETIONS_ANSWER: Schema = struct(
    ("id", "object", "created", "model", "choices"),
    **_NAMES,
    choices=array(
        struct(("index", "text", "finish_reason"), index=COUNT, text=STRING, finish_reason=maybe(STRING))
    ),
    usage=USAGE,
)

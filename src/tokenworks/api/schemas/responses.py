"""The responses protocol."""

from __future__ import annotations

from tokenworks.api.schemas.parts import (
    BOOLEAN,
    COUNT,
    MODEL,
    NUMBER,
    OBJECT,
    OBJECTS,
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

_PARTS = array(struct(("type",), type=STRING, text=STRING))
_ITEM = either(
    struct(
        ("role", "content"),
        type=words("message"),
        role=words("user", "assistant", "system", "developer"),
        content=either(STRING, _PARTS),
    ),
    struct(("type",), type=told(STRING, "a call, its output, thinking and others")),
)
_TOOL = struct(("type",), type=STRING, name=STRING, description=maybe(STRING), parameters=maybe(OBJECT))
RESPONSES_REQUEST: Schema = struct(
    ("model", "input"),
    model=MODEL,
    input=either(STRING, array(_ITEM)),
    instructions=maybe(STRING),
    previous_response_id=told(maybe(STRING), "goes on from an answer that was kept"),
    store=told(maybe(BOOLEAN), "keep the answer, to be asked for or gone on from"),
    stream=STREAM,
    max_output_tokens=whole(1),
    temperature=number(0, 2),
    top_p=number(0, 1),
    tools=maybe(array(_TOOL)),
    tool_choice=maybe(either(words("none", "auto", "required"), struct(("type",), type=STRING, name=STRING))),
    parallel_tool_calls=maybe(BOOLEAN),
    reasoning=maybe(struct(effort=maybe(STRING), summary=maybe(STRING))),
    text=maybe(struct(format=maybe(struct(("type",), type=STRING)), verbosity=maybe(STRING))),
    include=maybe(STRINGS),
    truncation=maybe(words("auto", "disabled")),
    metadata=maybe(OBJECT),
    user=maybe(STRING),
    **ROUTING,
)
RESPONSES_ANSWER: Schema = struct(
    ("id", "object", "created_at", "status", "model", "output"),
    id=STRING,
    object=words("response"),
    created_at=NUMBER,
    status=words("completed", "failed", "in_progress", "cancelled", "queued", "incomplete"),
    model=told(STRING, "the model that answered"),
    output=OBJECTS,
    error=maybe(OBJECT),
    incomplete_details=maybe(OBJECT),
    usage=maybe(
        struct(
            ("input_tokens", "output_tokens", "total_tokens"),
            input_tokens=COUNT,
            input_tokens_details=maybe(OBJECT),
            output_tokens=COUNT,
            output_tokens_details=maybe(OBJECT),
            total_tokens=COUNT,
        )
    ),
)

"""Embeddings."""

from __future__ import annotations

from tokenworks.api.schemas.parts import (
    COUNT,
    MODEL,
    NUMBER,
    ROUTING,
    STRING,
    STRINGS,
    Schema,
    array,
    either,
    maybe,
    struct,
    told,
    whole,
    words,
)

_TOKENS = array({"type": "integer"})
EMBEDDINGS_REQUEST: Schema = struct(
    ("model", "input"),
    model=MODEL,
    input=told(either(STRING, STRINGS, _TOKENS, array(_TOKENS)), "a text, several, or their tokens"),
    encoding_format=maybe(words("float", "base64")),
    dimensions=whole(1),
    user=maybe(STRING),
    **ROUTING,
)
EMBEDDINGS_ANSWER: Schema = struct(
    ("object", "data", "model", "usage"),
    object=words("list"),
    data=array(
        struct(
            ("object", "index", "embedding"),
            object=words("embedding"),
            index=COUNT,
            embedding=either(array(NUMBER), STRING),
        )
    ),
    model=told(STRING, "the model that answered"),
    usage=struct(("prompt_tokens", "total_tokens"), prompt_tokens=COUNT, total_tokens=COUNT, cost=NUMBER),
)

"""Pieces that the schemas of several protocols are made of."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
BOOLEAN: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
OBJECT: Schema = {"type": "object", "additionalProperties": True}
STRINGS: Schema = {"type": "array", "items": STRING}
OBJECTS: Schema = {"type": "array", "items": OBJECT}

MODEL: Schema = {
    "type": "string",
    "minLength": 1,
    "description": "author/slug, an alias, or a slug that is unique",
}
STREAM: Schema = {"type": ["boolean", "null"], "default": False, "description": "answer as events"}


def struct(required: tuple[str, ...] = (), /, **fields: Schema) -> Schema:
    """An object with these fields and any others."""
    made: Schema = {"type": "object", "additionalProperties": True, "properties": fields}
    if required:
        made["required"] = list(required)
    return made


def array(items: Schema, at_least: int = 0) -> Schema:
    """A list of ``items``."""
    return {"type": "array", "items": items, **({"minItems": at_least} if at_least else {})}


def either(*schemas: Schema) -> Schema:
    """Any one of these."""
    return {"anyOf": list(schemas)}


def maybe(schema: Schema) -> Schema:
    """The same, or null as clients send it for what they leave out."""
    kind = schema.get("type")
    if isinstance(kind, str) and "enum" not in schema:
        return {**schema, "type": [kind, "null"]}
    return either(schema, {"type": "null"})


def words(*allowed: str) -> Schema:
    """One of a closed list of words."""
    return {"type": "string", "enum": list(allowed)}


def number(least: float, most: float) -> Schema:
    """From ``least`` to ``most``, or null."""
    return {"type": ["number", "null"], "minimum": least, "maximum": most}


def whole(least: int, most: int | None = None) -> Schema:
    """A whole number from ``least`` on, or null."""
    return {"type": ["integer", "null"], "minimum": least, **({} if most is None else {"maximum": most})}


def told(schema: Schema, description: str) -> Schema:
    """The same with a description."""
    return {**schema, "description": description}


_PRICES = struct(prompt=NUMBER, completion=NUMBER, request=NUMBER)
_SORT = words("price", "throughput", "latency")

# What every protocol takes besides its own fields.
ROUTING: dict[str, Schema] = {
    "models": told(maybe(array(MODEL)), "models to try after `model`, in this order"),
    "provider": told(
        maybe(
            struct(
                order=maybe(STRINGS),
                only=maybe(STRINGS),
                ignore=maybe(STRINGS),
                allow_fallbacks=maybe(BOOLEAN),
                require_parameters=maybe(BOOLEAN),
                data_collection=maybe(words("allow", "deny")),
                zdr=maybe(BOOLEAN),
                quantizations=maybe(STRINGS),
                sort=maybe(either(_SORT, struct(by=_SORT))),
                max_price=maybe(_PRICES),
                preferred_min_throughput=maybe(either(NUMBER, OBJECT)),
                preferred_max_latency=maybe(either(NUMBER, OBJECT)),
            )
        ),
        "which providers may serve it, and in which order",
    ),
    "session_id": told(
        {"type": ["string", "null"], "maxLength": 256}, "keeps a conversation at one provider, for its cache"
    ),
}

"""What every wire does with a request that goes on to a provider of the same wire."""

from __future__ import annotations

import contextlib

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.wire.peek import MALFORMED, Fields, text

_decode_names = msgspec.json.Decoder(list[str] | None).decode

# Controls of the gateway itself; strict upstreams refuse what they don't know.
CONTROLS = frozenset(
    (
        "models",
        "fallbacks",
        "provider",
        "plugins",
        "route",
        "transforms",
        "usage",
        "session_id",
        "trace",
        "debug",
        "include_reasoning",
        "max_cost",
        "cascade",
    )
)


def model_of(fields: Fields) -> str:
    """The model that is asked for, or the first of ``models``. Raises BadRequest when there is none."""
    model = text(fields, "model")
    if not model:
        with contextlib.suppress(*MALFORMED):  # the list is judged where it is used
            models: list[str] | None = _decode_names(fields["models"]) if "models" in fields else None
            if models:
                return models[0]
        raise BadRequest("'model' is missing; GET /v1/models lists what can be asked for")
    return model


def required(fields: Fields, key: str, fix: str) -> None:
    """Raises BadRequest, saying what to do (``fix``), when ``key`` is not there."""
    if key not in fields or bytes(fields[key]) == b"null":
        raise BadRequest(f"'{key}' is missing; {fix}")


def length(fields: Fields, *keys: str) -> int:
    """Bytes of the values at ``keys``, as far as they are there."""
    return sum(len(fields[key]) for key in keys if key in fields)


def without_controls(fields: Fields) -> Fields:
    """A copy of ``fields`` that a provider may see."""
    fields = fields.copy()
    if not CONTROLS.isdisjoint(fields):
        for control in CONTROLS:
            fields.pop(control, None)
    return fields

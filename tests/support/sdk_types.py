"""Are bodies what the official clients' own types allow?"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from anthropic.types import message_create_params
from openai.types.chat import completion_create_params
from openai.types.responses import response_create_params
from pydantic import TypeAdapter

_TYPES: dict[str, Any] = {
    "openai_chat": completion_create_params.CompletionCreateParams,
    "anthropic_messages": message_create_params.MessageCreateParams,
    "openai_responses": response_create_params.ResponseCreateParams,
}


@cache
def _adapter(wire: str) -> TypeAdapter[Any]:
    return TypeAdapter(_TYPES[wire])


def check(wire: str, body: dict[str, Any]) -> None:
    """Raises pydantic's ValidationError when ``body`` is no request on ``wire``."""
    _look_at_all(_adapter(wire).validate_python(body))


def _look_at_all(value: Any) -> None:
    """Lists are validated as they are read."""
    if isinstance(value, dict):
        for inner in value.values():
            _look_at_all(inner)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for inner in value:
            _look_at_all(inner)

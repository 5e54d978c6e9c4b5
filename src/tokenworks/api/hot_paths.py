"""The OpenAPI description of the paths that the data plane serves itself."""

from __future__ import annotations

from typing import Any

SECURITY: dict[str, Any] = {"apiKey": {"type": "http", "scheme": "bearer"}}

_ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": "integer"},
                "metadata": {"type": "object"},
            },
        }
    },
}


def _errors(*statuses: int) -> dict[str, Any]:
    content = {"application/json": {"schema": _ERROR}}
    what = {
        400: "The request is malformed or names an unknown model",
        401: "No key, or one that is not known",
        403: "This key may not do that",
        408: "The request did not arrive in time",
        413: "The body is too large",
        429: "A provider limits the rate",
        431: "The headers are too large",
        502: "No provider gave a usable answer",
        503: "Draining, overloaded or starting an engine; Retry-After tells when",
        504: "No provider answered in time",
    }
    return {str(status): {"description": what[status], "content": content} for status in statuses}


_CHAT_REQUEST: dict[str, Any] = {
    "type": "object",
    "required": ["model", "messages"],
    "additionalProperties": True,
    "properties": {
        "model": {"type": "string", "description": "author/slug, an alias, or a slug that is unique"},
        "messages": {"type": "array", "items": {"type": "object", "additionalProperties": True}},
        "stream": {"type": "boolean", "default": False},
        "stream_options": {"type": "object", "properties": {"include_usage": {"type": "boolean"}}},
        "max_tokens": {"type": "integer"},
        "provider": {
            "type": "object",
            "properties": {
                "order": {"type": "array", "items": {"type": "string"}},
                "only": {"type": "array", "items": {"type": "string"}},
                "ignore": {"type": "array", "items": {"type": "string"}},
                "allow_fallbacks": {"type": "boolean", "default": True},
            },
        },
    },
}
_CHAT_ANSWER: dict[str, Any] = {
    "type": "object",
    "required": ["id", "object", "created", "model", "choices", "system_fingerprint"],
    "additionalProperties": True,
    "properties": {
        "id": {"type": "string"},
        "model": {"type": "string", "description": "the model that answered"},
        "provider": {"type": "string"},
        "choices": {"type": "array", "items": {"type": "object"}},
        "system_fingerprint": {"type": ["string", "null"]},
        "usage": {
            "type": "object",
            "additionalProperties": True,
            "properties": {
                "prompt_tokens": {"type": "integer"},
                "completion_tokens": {"type": "integer"},
                "total_tokens": {"type": "integer"},
                "cost": {"type": "number", "description": "dollars"},
            },
        },
    },
}

PATHS: dict[str, Any] = {
    "/v1/chat/completions": {
        "post": {
            "tags": ["inference"],
            "summary": "Chat completion",
            "description": "OpenAI's chat completions, also at /api/v1/chat/completions. Fields that are "
            "not listed are passed on to the provider as they are.",
            "security": [{"apiKey": []}],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": _CHAT_REQUEST}},
            },
            "responses": {
                "200": {
                    "description": "The answer, or a stream of events when `stream` is true",
                    "content": {
                        "application/json": {"schema": _CHAT_ANSWER},
                        "text/event-stream": {"schema": {"type": "string"}},
                    },
                },
                **_errors(400, 401, 403, 408, 413, 429, 431, 502, 503, 504),
            },
        }
    },
}

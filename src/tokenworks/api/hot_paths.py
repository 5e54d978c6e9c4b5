"""The OpenAPI description of the paths that the data plane serves itself."""

from __future__ import annotations

from typing import Any

from tokenworks.api.answer import ERROR, Schema, errors
from tokenworks.api.queued import QUEUED
from tokenworks.api.schemas import chat, embeddings, messages, responses

SECURITY: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
}
_STATUSES = (400, 401, 402, 403, 408, 413, 429, 431, 502, 503, 504)
_EVENTS: Schema = {"type": "string", "description": "events, each with a JSON object in its data line"}


def _post(
    summary: str,
    description: str,
    request: Schema,
    answer: Schema,
    *,
    streams: bool = True,
    error: Schema = ERROR,
    more: tuple[int, ...] = (),
) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": answer}}
    if streams:
        content["text/event-stream"] = {"schema": _EVENTS}
    told = "The answer, or a stream of events when `stream` is true" if streams else "The answer"
    return {
        "post": {
            "tags": ["inference"],
            "summary": summary,
            "description": f"{description} Fields that are not listed are passed on to the provider as they "
            "are. The same is served under /api.",
            "security": [{name: []} for name in SECURITY],
            "requestBody": {"required": True, "content": {"application/json": {"schema": request}}},
            "responses": {
                "200": {"description": told, "content": content},
                "202": {
                    "description": "The plan has no room for it and keeps it: its `url` has the answer later",
                    "content": {"application/json": {"schema": QUEUED}},
                },
                **errors(*sorted((*_STATUSES, *more)), schema=error),
            },
        }
    }


PATHS: dict[str, Any] = {
    "/v1/chat/completions": _post(
        "Chat completion", "OpenAI's chat completions.", chat.CHAT_REQUEST, chat.CHAT_ANSWER
    ),
    "/v1/completions": _post(
        "Completion of a prompt",
        "OpenAI's older completions.",
        chat.COMPLETIONS_REQUEST,
        chat.COMPLETIONS_ANSWER,
    ),
    "/v1/responses": _post(
        "Response",
        "OpenAI's responses.",
        responses.RESPONSES_REQUEST,
        responses.RESPONSES_ANSWER,
        more=(404,),  # of the response to go on from
    ),
    "/v1/messages": _post(
        "Message",
        "The messages protocol of Claude's clients.",
        messages.MESSAGES_REQUEST,
        messages.MESSAGES_ANSWER,
        error=messages.MESSAGES_ERROR,
    ),
    "/v1/messages/count_tokens": _post(
        "Tokens of a message that is not sent",
        "Asks the provider where it can count, and estimates elsewhere.",
        messages.COUNT_REQUEST,
        messages.COUNT_ANSWER,
        streams=False,
        error=messages.MESSAGES_ERROR,
    ),
    "/v1/embeddings": _post(
        "Embeddings",
        "OpenAI's embeddings.",
        embeddings.EMBEDDINGS_REQUEST,
        embeddings.EMBEDDINGS_ANSWER,
        streams=False,
    ),
}

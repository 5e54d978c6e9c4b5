"""The wires on which callers come in, and what is particular to each of them at the front."""

from __future__ import annotations

from collections.abc import Callable

from tokenworks.errors import TokenworksError, render
from tokenworks.wire import pairs
from tokenworks.wire.anthropic_messages.errors import error_body
from tokenworks.wire.anthropic_messages.relay import CountRequest, MessagesRequest
from tokenworks.wire.openai_chat.relay import ChatRequest
from tokenworks.wire.openai_completions.request import CompletionsRequest
from tokenworks.wire.openai_embeddings.relay import EmbeddingsRequest
from tokenworks.wire.openai_responses.relay import ResponsesRequest
from tokenworks.wire.pairing import Asked


class Way:
    """One wire of callers: ``kind`` stands in records, ``read`` makes a request of a body."""

    __slots__ = ("kind", "planned", "read", "render", "speaks", "wire")

    def __init__(
        self,
        wire: str,
        kind: str,
        read: Callable[[bytes], Asked],
        render: Callable[[TokenworksError], bytes] = render,
    ) -> None:
        self.wire = wire
        self.kind = kind
        self.read = read
        self.render = render  # of errors before an answer has begun
        self.speaks = wire not in (pairs.EMBEDDINGS, pairs.COUNT)  # what is asked is work, and has an answer
        self.planned = wire in (pairs.RESPONSES, pairs.EMBEDDINGS, pairs.COUNT)  # never an ordinary request


def _messages_error(error: TokenworksError) -> bytes:
    return error_body(error.status, error.message, None)


CHAT = Way(pairs.CHAT, "chat", ChatRequest)
WAYS: dict[str, Way] = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": Way(pairs.COMPLETIONS, "completions", CompletionsRequest),
    "/v1/responses": Way(pairs.RESPONSES, "responses", ResponsesRequest),
    "/v1/messages": Way(pairs.MESSAGES, "messages", MessagesRequest, _messages_error),
    "/v1/messages/count_tokens": Way(pairs.COUNT, "count_tokens", CountRequest, _messages_error),
    "/v1/embeddings": Way(pairs.EMBEDDINGS, "embeddings", EmbeddingsRequest),
}

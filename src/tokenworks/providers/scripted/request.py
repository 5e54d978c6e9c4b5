"""A request as the model would see it, whatever the wire: who is asked, what was said, how much may come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from tokenworks.providers.scripted.reply import WireName
from tokenworks.providers.scripted.words import count

# By how a path ends, so that any prefix (/v1, /api/v1, /anthropic/v1 …) works.
PATHS: tuple[tuple[str, str, WireName], ...] = (
    ("POST", "/chat/completions", "openai_chat"),
    ("POST", "/responses", "openai_responses"),
    ("POST", "/messages/count_tokens", "count_tokens"),
    ("POST", "/messages", "anthropic_messages"),
    ("POST", "/embeddings", "embeddings"),
    ("GET", "/models", "models"),
)
STREAMING = frozenset({"openai_chat", "openai_responses", "anthropic_messages"})


def wire_of(method: str, path: str) -> WireName | None:
    """The wire that ``path`` belongs to; None for an unknown one."""
    path = path.partition("?")[0].rstrip("/")
    for wanted, end, wire in PATHS:
        if method == wanted and path.endswith(end):
            return wire
    if method == "GET" and "/models/" in path:
        return "models"
    return None


def texts(content: Any) -> Iterator[str]:
    """Every text in a message, a list of content parts or a plain string, in order."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            yield from texts(part)
    elif isinstance(content, dict):
        for key in ("text", "content", "output"):
            if key in content:
                yield from texts(content[key])


def input_words(body: Any) -> int:
    """Words of a request's instructions and messages: the input tokens claimed where a script names none."""
    if not isinstance(body, dict):
        return 0
    said = (body.get(key) for key in ("system", "instructions", "messages", "input"))
    return sum(count(text) for part in said for text in texts(part))


def last_said(body: Any) -> str:
    """The text of the last message of the user; empty when there is none."""
    if not isinstance(body, dict):
        return ""
    messages = body.get("messages", body.get("input"))
    if isinstance(messages, str):
        return messages
    if isinstance(messages, list):
        for message in reversed(messages):
            if isinstance(message, dict) and message.get("role") == "user":
                return " ".join(texts(message))
    return ""


class Ask(msgspec.Struct, frozen=True):
    """One request, understood. ``number`` is its place in the order of arrival, from 1."""

    number: int
    wire: WireName
    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def model(self) -> str:
        model = self.body.get("model")
        return model if isinstance(model, str) else ""

    @property
    def stream(self) -> bool:
        return self.wire in STREAMING and self.body.get("stream") is True

    @property
    def said(self) -> str:
        return last_said(self.body)

    @property
    def max_tokens(self) -> int | None:
        """The most that may be answered, by any of its names."""
        for key in ("max_completion_tokens", "max_tokens", "max_output_tokens"):
            value = self.body.get(key)
            if isinstance(value, int):
                return value
        return None

    @property
    def include_usage(self) -> bool:
        """Whether a stream of openai_chat was asked for its usage."""
        options = self.body.get("stream_options")
        return isinstance(options, dict) and options.get("include_usage") is True

"""Anthropic's messages: what is changed in a request, a whole answer and a stream.

Everything not named here passes through as the bytes it came in.
"""

from __future__ import annotations

import msgspec

from tokenworks.schema import Usage
from tokenworks.wire.answer import Telling
from tokenworks.wire.anthropic_messages.errors import error_body
from tokenworks.wire.anthropic_messages.tally import Tally
from tokenworks.wire.asking import length, model_of, required, without_controls
from tokenworks.wire.costs import MESSAGES, charged, with_cost
from tokenworks.wire.passage import Passage, complaint, inner, word
from tokenworks.wire.peek import MALFORMED, Fields, flag, peek, raw

# Reasons to stop in the words of ``answer.STOPS``; others stay as they are.
STOPS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
}

_decode_fields = msgspec.json.Decoder(Fields).decode
_encode = msgspec.json.Encoder().encode


class MessagesRequest:
    """A request for a message as far as the gateway needs to know it."""

    __slots__ = ("fields", "model", "stream", "wants_usage")

    wire = "anthropic_messages"

    def __init__(self, body: bytes) -> None:
        """Raises BadRequest when the body or one of the fields looked at is malformed."""
        self.fields = fields = peek(body)
        self.model = model_of(fields)
        required(fields, "messages", "send a list of {role, content}")
        self.stream = flag(fields, "stream")
        self.wants_usage = True

    @property
    def input_bytes(self) -> int:
        """Length of what the model reads, for estimates where no provider told the tokens."""
        return length(self.fields, "messages", "system", "tools")

    def upstream_body(self, upstream_id: msgspec.Raw) -> tuple[bytes, msgspec.Raw]:
        """The body to send, in two parts around the messages, by far the longest, which are not copied.

        Behind the second part comes one closing brace.
        """
        fields = without_controls(self.fields)
        messages = fields.pop("messages")
        fields["model"] = upstream_id
        return _encode(fields)[:-1] + b',"messages":', messages


class MessagesWhole:
    """A whole answer. Making one raises ValueError, saying why, when ``body`` is none."""

    __slots__ = ("fields", "finish", "size", "told", "usage")

    def __init__(self, body: bytes) -> None:
        self.fields = fields = _read(body)
        if "content" not in fields:
            raise ValueError(complaint(fields) or "an answer without 'content'")
        reason = word(fields, "stop_reason")
        self.finish = STOPS.get(reason, reason)
        self.size = len(fields["content"])
        self.told = bytes(fields["usage"]) if "usage" in fields else b""
        self.usage: Usage | None = Tally().add(self.told)

    def render(self, telling: Telling, usage: Usage, cost_nano_usd: int) -> bytes:
        """The body for the caller: our id, model and cost in, everything else as it came."""
        fields = {**self.fields, **telling.extra}
        fields["id"], fields["model"] = raw(telling.generation), raw(telling.model)
        fields["usage"] = with_cost(self.told, MESSAGES, usage, telling.price, cost_nano_usd)
        return _encode(fields)


class MessagesStream(Passage):
    """The way of one stream from provider to caller: id and model ours, usage read and its cost told."""

    __slots__ = ("tally",)

    piece = b"content_block_delta"
    mark = b'"message_'

    def __init__(self, telling: Telling) -> None:
        super().__init__(telling)
        self.tally = Tally()

    def look(self, kind: str, fields: Fields) -> bool:
        """See Passage."""
        if kind == "message_start":
            return self._start(fields)
        if kind == "message_delta":
            return self._stop(fields)
        if kind == "message_stop":
            self.done = True
            fields.update(self.telling.extra)
            return bool(self.telling.extra)
        return False

    def _start(self, fields: Fields) -> bool:
        message = inner(fields, "message")
        if message is None:
            return False
        if "usage" in message:
            self.usage = self.tally.add(message["usage"])
        message["id"], message["model"] = raw(self.telling.generation), raw(self.telling.model)
        fields["message"] = raw(message)
        return True

    def _stop(self, fields: Fields) -> bool:
        delta = inner(fields, "delta")
        if delta is not None:
            reason = word(delta, "stop_reason")
            self.finish = STOPS.get(reason, reason) or self.finish
        given = bytes(fields.get("usage", b""))
        usage = self.tally.add(given)
        if usage is None or not given.startswith(b"{"):
            return False
        self.usage = usage
        self.final = self.final or b'"output_tokens"' in given
        price = self.telling.price
        fields["usage"] = with_cost(given, MESSAGES, usage, price, charged(price, usage, self.finish))
        return True

    def close(self) -> bytes:
        """The end marker that the provider left out."""
        return b"event: message_stop\ndata: %b\n\n" % _encode({"type": "message_stop", **self.telling.extra})

    def failure(self, message: str, code: int, kind: str) -> bytes:
        """An error that clients see; on this wire it is the end. ``code`` is an HTTP status."""
        return b"event: error\ndata: %b\n\n" % error_body(code, message)


class CountRequest(MessagesRequest):
    """A question for the tokens of a request."""

    __slots__ = ()

    wire = "count_tokens"

    def __init__(self, body: bytes) -> None:
        """Raises BadRequest when the body or one of the fields looked at is malformed."""
        super().__init__(body)
        self.stream = False


class CountWhole:
    """A count of tokens. Making one raises ValueError, saying why, when ``body`` is none.

    The question uses nothing itself, and has no reason to stop.
    """

    __slots__ = ("body", "finish", "size", "usage")

    def __init__(self, body: bytes) -> None:
        fields = _read(body)
        if "input_tokens" not in fields:
            raise ValueError(complaint(fields) or "an answer without 'input_tokens'")
        self.body = body
        self.finish = ""
        self.size = 0
        self.usage: Usage | None = Usage()

    def render(self, telling: Telling, usage: Usage, cost_nano_usd: int) -> bytes:
        """The body for the caller, as it came."""
        return self.body


def _read(body: bytes) -> Fields:
    try:
        return _decode_fields(body)
    except MALFORMED as error:
        raise ValueError(f"not JSON ({error})") from None

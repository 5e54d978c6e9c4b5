"""A provider's stream of chat completions as events."""

from __future__ import annotations

import msgspec

from tokenworks.schema import Usage
from tokenworks.wire.answer import Ended, Event, Failed, Started, UsageTold
from tokenworks.wire.complaint import error_message
from tokenworks.wire.openai_chat.blocks import Blocks
from tokenworks.wire.openai_chat.delta import Body, usage_of
from tokenworks.wire.payloads import Payloads, decoded
from tokenworks.wire.peek import Fields
from tokenworks.wire.sse import DONE
from tokenworks.wire.usage import fuller

STOPPED_BY_ERROR = "the provider ended its answer with an error"

_decode = msgspec.json.Decoder(Body).decode
_decode_fields = msgspec.json.Decoder(Fields).decode


class Reader:
    """Only the first choice is read."""

    __slots__ = ("blocks", "over", "payloads", "started", "usage")

    def __init__(self, quirks: frozenset[str] = frozenset()) -> None:
        self.payloads = Payloads()
        self.blocks = Blocks(quirks)
        self.started = False
        self.over = False
        self.usage: Usage | None = None

    def feed(self, data: bytes) -> list[Event]:
        """Raises ValueError when this can't be a stream of events."""
        out: list[Event] = []
        for payload in self.payloads.feed(data):
            if not self.over:
                self._payload(payload, out)
        return out

    def flush(self) -> list[Event]:
        """At the end of the body: an event that lacked only its blank line. One cut off is dropped."""
        out: list[Event] = []
        payload = self.payloads.flush()
        if payload and not self.over:
            try:
                decoded(_decode_fields, payload)
            except ValueError:
                if payload.strip() != DONE:
                    payload = b""
            if payload:
                self._payload(payload, out)
        if not self.over:
            self.blocks.end(out)
        return out

    def _payload(self, payload: bytes, out: list[Event]) -> None:
        if payload.startswith(b"[") and payload.strip() == DONE:
            self.over = True
            self.blocks.end(out)
            out.append(Ended())
            return
        chunk = decoded(_decode, payload)
        complaint = chunk.complaint
        if complaint is not None:
            self._fail(error_message(complaint), out)
            return
        choices = chunk.choices
        if choices:
            if not self.started:
                self.started = True
                out.append(Started())
            for choice in choices:
                if choice.index:
                    continue
                delta = choice.delta or choice.message
                if delta is not None:
                    self.blocks.take(delta, out)
                if choice.finish_reason == "error":
                    self._fail(STOPPED_BY_ERROR, out)
                    return
                if choice.finish_reason:
                    self.blocks.stop(choice, out)
        usage = usage_of(chunk)
        if usage is not None:
            self.usage = fuller(usage, self.usage)
            out.append(UsageTold(self.usage))

    def _fail(self, message: str, out: list[Event]) -> None:
        self.over = True
        out.append(Failed(message))

"""One admitted request seen through: attempts in order, relay of the answer, one settled record.

Until the first byte has gone to the caller a failed attempt is followed by the next endpoint.
The record is written before the last byte of the answer is released.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tokenworks.engines.manager import EngineState
from tokenworks.errors import Unavailable
from tokenworks.gateway import failure
from tokenworks.gateway.failure import Failure
from tokenworks.http.reply import JSON_TYPE
from tokenworks.http.server import ClientConnection
from tokenworks.http.upstream import UpstreamConnection
from tokenworks.ledger.record import Record
from tokenworks.providers.target import Target
from tokenworks.schema import Endpoint, Usage
from tokenworks.wire.openai_chat.relay import (
    ChatRequest,
    ChatStream,
    answer_usage,
    error_event,
    finish_reason,
    read_answer,
    write_answer,
)

if TYPE_CHECKING:
    from tokenworks.gateway.front import Gateway

MAX_ERROR_BODY = 64 * 1024
LAST_WORDS_S = 0.05  # that a provider's answer is still listened to when the caller has left
JOIN_BELOW = 8 * 1024  # copying less than this is cheaper than another write
_SSE_HEAD = b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
_NO_HEADERS: dict[bytes, bytes] = {}
BYTES_PER_TOKEN = 4  # of English text, for estimates where no provider told the tokens


class Exchange:
    """Callbacks from the caller's connection on one side, from the provider's on the other."""

    __slots__ = (
        "chat",
        "endpoint",
        "endpoints",
        "gateway",
        "gone",
        "index",
        "parts",
        "record",
        "reply",
        "retry_after",
        "size",
        "slot",
        "started",
        "status",
        "stream",
        "streaming",
        "target",
        "upstream",
    )

    def __init__(
        self,
        gateway: Gateway,
        reply: ClientConnection,
        chat: ChatRequest,
        record: Record,
        endpoints: Sequence[Endpoint],
        started: int,
    ) -> None:
        self.gateway = gateway
        self.reply = reply
        self.chat: ChatRequest | None = chat
        self.record = record
        self.endpoints = endpoints
        self.endpoint = endpoints[0]
        self.started = started  # perf_counter_ns
        self.index = self.status = self.size = 0
        self.slot = -1
        self.target: Target | None = None
        self.upstream: UpstreamConnection | None = None
        self.stream: ChatStream | None = None
        self.parts: list[bytes] | None = None
        self.gone = False  # the caller has left
        self.streaming = False  # the first byte has gone to the caller
        self.retry_after = b""

    # --- attempts -----------------------------------------------------------------------------

    def begin(self) -> None:
        """Enter the request as in flight and try the first endpoint.

        Raises Unavailable when there is no room to note it.
        """
        try:
            self.slot = self.gateway.inflight.open(self.record)
        except OSError as error:
            raise Unavailable(f"no room to note this request: {error.strerror}", retry_after_s=5) from None
        self.reply.exchange = self
        self._attempt()

    def _attempt(self) -> None:
        self.endpoint = endpoint = self.endpoints[self.index]
        self.index += 1
        record = self.record
        record.attempts = self.index
        record.model = endpoint.model
        record.provider = endpoint.provider
        record.price_id = endpoint.price.id
        if endpoint.engine is None:
            self._call(self.gateway.targets.of(endpoint))
            return
        engines = self.gateway.engines
        state = engines.ready(endpoint.engine)
        if state is not None:
            self.engine_ready(state)
        else:
            engines.when_ready(endpoint.engine, self.engine_ready)

    @property
    def abandoned(self) -> bool:
        """Settled already: no answer is wanted any more."""
        return self.slot < 0

    def engine_ready(self, state: EngineState) -> None:
        """Our own engine is up (or will not come up)."""
        if self.gone:
            return
        if state.state != "ready":
            error = Unavailable(f"engine {state.name} can't start: {state.reason}", provider_name="local")
            self._failed(Failure(f"{self.endpoint.provider}:engine", error))
            return
        self._call(self.gateway.engine_target(self.endpoint, state))

    def _call(self, target: Target) -> None:
        chat = self.chat
        assert chat is not None
        self.target = target
        start, messages = chat.upstream_body(target.upstream_id)
        size = len(messages)
        head = b"%b%d\r\n\r\n%b" % (target.head, len(start) + size + 1, start)
        if size < JOIN_BELOW:
            target.origin.send(self, (b"%b%b}" % (head, messages),))
        else:
            target.origin.send(self, (head, memoryview(messages), b"}"))

    def _failed(self, failed: Failure) -> None:
        """This attempt came to nothing: the next endpoint, or the end."""
        self.upstream = self.parts = None
        self.status = self.size = 0
        record = self.record
        record.reasons = f"{record.reasons} {failed.reason}".lstrip()
        if not failed.final and self.index < len(self.endpoints):
            self._attempt()
            return
        error = failed.error
        if self.index > 1:
            error.metadata["attempts"] = record.reasons
        outcome = "timeout" if error.kind == "upstream_timeout" else "upstream_error"
        if failed.final:
            outcome = "bad_request"
        self.settle(outcome, error.status, None)
        self.reply.fail(error)

    # --- from the provider --------------------------------------------------------------------

    def answer_head(self, status: int, connection: UpstreamConnection) -> None:
        self.status = status
        chat = self.chat
        assert chat is not None
        if status != 200:
            self.retry_after = connection.header(b"retry-after")
        elif chat.stream and connection.header(b"content-type").startswith(b"text/event-stream"):
            self.stream = ChatStream(
                self.record.id, self.endpoint.model, self.endpoint.price, chat.wants_usage
            )

    def answer_data(self, data: bytes, end: bool) -> None:
        if self.gone:
            self._last_words(data, end)
            return
        stream = self.stream
        if stream is not None:
            self._relay(stream, data, end)
            return
        parts = self.parts
        if end:
            self._whole(data if parts is None else b"".join((*parts, data)))
            return
        if parts is None:
            self.parts = [data]
        else:
            parts.append(data)
        self.size += len(data)
        if self.size > (MAX_ERROR_BODY if self.status != 200 else self.gateway.max_response):
            self._unusable("larger than allowed here")

    def call_failed(self, kind: str, detail: str) -> None:
        if self.gone:
            self._stop_listening()
            return
        endpoint = self.endpoint
        self._answer_failed(failure.of_transport(endpoint.provider, kind, detail, endpoint.engine))

    def _unusable(self, detail: str) -> None:
        """What the provider sends is no answer: no more of it is wanted."""
        self._cancel()
        self._answer_failed(failure.of_content(self.endpoint.provider, detail))

    def _answer_failed(self, failed: Failure) -> None:
        self.upstream = None
        if self.streaming:
            self._broken(failed)
        else:
            self.stream = None
            self._failed(failed)

    def _cancel(self) -> None:
        if self.upstream is not None:
            self.upstream.cancel()
            self.upstream = None

    # --- whole answers ------------------------------------------------------------------------

    def _whole(self, body: bytes) -> None:
        provider = self.endpoint.provider
        self.upstream = None
        if self.status != 200:
            self._failed(failure.of_status(provider, self.status, self.retry_after, body))
            return
        chat, target = self.chat, self.target
        assert chat is not None and target is not None
        try:
            fields = read_answer(body)
            if chat.stream:
                raise ValueError("no event stream, though one was asked for")
            usage = answer_usage(fields)
        except ValueError as error:
            self._failed(failure.of_content(provider, str(error)))
            return
        record = self.record
        record.finish_reason = finish_reason(bytes(fields["choices"]))
        record.ttft_us = (time.perf_counter_ns() - self.started) // 1000
        if usage is None:
            usage = self._estimate(len(fields["choices"]) // BYTES_PER_TOKEN)
        self.settle("ok", 200, usage)
        answer = write_answer(
            fields,
            generation=record.id,
            names=target.names,
            usage=usage,
            cost_nano_usd=record.cost_nano_usd,
        )
        self.reply.send(200, b"%bx-generation-id: %b\r\n" % (JSON_TYPE, record.id.encode()), answer)

    # --- streams ------------------------------------------------------------------------------

    def _relay(self, stream: ChatStream, data: bytes, end: bool) -> None:
        try:
            out = stream.feed(data) if data else b""
            if end and not stream.done:
                out += stream.flush()
        except ValueError as error:
            self._unusable(str(error))
            return
        if not self.streaming:
            if stream.error or (end and not out):
                self._unusable(stream.error or "an empty stream")
                return
            if not out:
                return
            self._first_byte()
        if stream.done or end:
            self._finish(stream, out, end)
        elif out:
            self.gateway.inflight.touch(self.slot, stream.events)
            self.reply.write(out)

    def _first_byte(self) -> None:
        self.streaming = True
        self.record.ttft_us = (time.perf_counter_ns() - self.started) // 1000
        self.chat = None
        reply = self.reply
        if reply.request is not None:
            reply.release_body(reply.request)
            reply.request.headers = _NO_HEADERS
        reply.start(200, b"%bx-generation-id: %b\r\n" % (_SSE_HEAD, self.record.id.encode()))

    def _finish(self, stream: ChatStream, out: bytes, end: bool) -> None:
        if not end:  # the provider is done but has not closed its answer: nobody waits for that
            self._cancel()
        self.upstream = None
        record = self.record
        record.finish_reason = stream.finish
        if stream.error:
            self.settle("upstream_error", 200, stream.usage or self._estimate_stream(stream))
        elif stream.done or record.finish_reason:
            self.settle("ok", 200, stream.usage or self._estimate_stream(stream))
            if not stream.done:
                out += b"data: [DONE]\n\n"
        else:
            self._broken(failure.of_content(self.endpoint.provider, "its stream ended too early"), out)
            return
        self.reply.finish(out)

    def _broken(self, failed: Failure, out: bytes = b"", outcome: str = "upstream_error") -> None:
        """The provider failed in mid-stream: the status is sent, so the stream itself must say it."""
        stream = self.stream
        assert stream is not None
        record = self.record
        record.reasons = f"{record.reasons} {failed.reason}".lstrip()
        record.finish_reason = "error"
        if failed.error.kind == "upstream_timeout":
            outcome = "timeout"
        self.settle(outcome, 200, stream.usage or self._estimate_stream(stream))
        error = failed.error
        event = error_event(record.id, self.endpoint.model, error.message, error.status, error.kind)
        self.reply.finish(out + event)

    # --- from the caller ----------------------------------------------------------------------

    def client_gone(self) -> None:
        """Stop the provider: what was delivered so far is what the record can tell.

        A moment is left for what is already on its way here, which often is the provider's own
        count of what it will charge.
        """
        self.gone = True
        if self.upstream is not None and not self.upstream.paused:
            self.gateway.loop.call_later(LAST_WORDS_S, self._stop_listening)
        else:
            self._stop_listening()

    def _stop_listening(self) -> None:
        if self.abandoned:
            return
        stream = self.stream
        usage = None
        if stream is not None:
            usage = stream.usage or self._estimate_stream(stream)
            self.record.finish_reason = stream.finish
        elif self.upstream is not None:  # the provider has read the prompt
            usage = self._estimate(0)
        elif self.target is not None:
            self.target.origin.forget(self)
        if self.endpoint.engine is not None:
            self.gateway.engines.forget(self.endpoint.engine, self.engine_ready)
        self._cancel()
        self.settle("client_gone", 200 if self.streaming else 0, usage)

    def _last_words(self, data: bytes, end: bool) -> None:
        """Nobody is there to read it any more; only what it says of usage is of interest."""
        stream, usage = self.stream, None
        if stream is not None:
            try:
                stream.feed(data)
            except ValueError:
                self._stop_listening()
                return
            if end or stream.done:
                self._stop_listening()
            return
        self.parts = [*(self.parts or ()), data]
        if end and self.status == 200:
            with contextlib.suppress(ValueError):
                usage = answer_usage(read_answer(b"".join(self.parts)))
        if end and usage is not None:
            self.upstream = None
            self.settle("client_gone", 0, usage)
        elif end:
            self._stop_listening()

    def shut_down(self) -> None:
        """The server stops and this answer is not complete: say so and settle what was delivered."""
        self._cancel()
        error = Unavailable("the server was stopped before this answer was complete", retry_after_s=1)
        if self.streaming:
            self._broken(Failure("shutdown", error), outcome="shutdown")
        else:
            self.settle("shutdown", error.status, None)
            self.reply.fail(error)

    def client_slow(self) -> None:
        if self.upstream is not None:
            self.upstream.pause()

    def client_ready(self) -> None:
        if self.upstream is not None:
            self.upstream.resume()

    # --- the record ---------------------------------------------------------------------------

    def _estimate(self, output_tokens: int) -> Usage:
        """Usage no provider told: flagged in the record as an estimate."""
        self.record.estimated = True
        return Usage(uncached_input_tokens=self.record.uncached_input_tokens, output_tokens=output_tokens)

    def _estimate_stream(self, stream: ChatStream) -> Usage:
        # Most providers send one token an event; the first event carries only the role.
        return self._estimate(max(stream.events - 1, 0))

    def settle(self, outcome: str, status: int, usage: Usage | None) -> None:
        """Write the one record of this request. Later calls do nothing."""
        slot, self.slot = self.slot, -1
        if slot < 0:
            return
        record = self.record
        record.outcome = outcome
        record.status = status
        if usage is None:
            record.uncached_input_tokens = 0
        else:
            record.uncached_input_tokens = usage.uncached_input_tokens
            record.cache_read_tokens = usage.cache_read_tokens
            record.cache_write_tokens = usage.cache_write_tokens
            record.output_tokens = usage.output_tokens
            record.reasoning_tokens = usage.reasoning_tokens
            record.cost_nano_usd = self.endpoint.price.cost_nano_usd(usage)
        record.latency_us = (time.perf_counter_ns() - self.started) // 1000
        gateway = self.gateway
        gateway.journal.append(record)
        if gateway.journal.healthy:
            gateway.inflight.release(slot)
        else:  # the record exists only in memory: until the disk takes it, the slot vouches for it
            gateway.vouch(slot, record)

"""From a provider's answer to the caller's: whole or streamed, and what is done when it breaks."""

from __future__ import annotations

import functools
import logging
import time
from typing import TYPE_CHECKING

from tokenworks.gateway import failure, hearing, settling
from tokenworks.gateway.attempts import Attempts
from tokenworks.gateway.collecting import Collecting
from tokenworks.gateway.failure import MAX_ERROR_BODY, Failure
from tokenworks.http.reply import JSON_TYPE
from tokenworks.http.timers import NEVER
from tokenworks.http.upstream import UpstreamConnection
from tokenworks.schema import Usage
from tokenworks.wire import pairs, sse
from tokenworks.wire.answer import Telling
from tokenworks.wire.pairing import Stream, Whole

if TYPE_CHECKING:
    from tokenworks.gateway.course import Course

log = logging.getLogger(__name__)

_COMMENT = ord(":")
_NO_HEADERS: dict[bytes, bytes] = {}


class Answering(Attempts):
    """Callbacks from the provider's connection."""

    # --- from the provider --------------------------------------------------------------------

    def answer_head(self, status: int, connection: UpstreamConnection) -> None:
        self.status = status
        if status != 200:
            self.retry_after = connection.header(b"retry-after")
            return
        if self.first is not None:  # this one answers: no other is needed
            self._drop_hedge()
            self.first = None
        if self.record.stream and connection.header(b"content-type").startswith(b"text/event-stream"):
            target = self.target
            assert target is not None
            self.stream = target.pair.stream(self.telling(), target.maker, counts=self.offers_tools)
            if target.replays and self.plan is not None:
                self.plan.gleaner = pairs.gleaner(target.wire, target.maker)

    def telling(self) -> Telling:
        endpoint, plan, record = self.endpoint, self.plan, self.record
        if plan is None:
            return Telling(record.id, endpoint.model, endpoint.provider, endpoint.price, self.wants_usage)
        return plan.telling(self)

    def answer_data(self, data: bytes, end: bool) -> None:
        try:
            self._take(data, end)
        except BaseException:  # a mistake of ours: nobody else would ever end this request
            self._cancel()
            self.reply.transport.abort()
            raise

    def _take(self, data: bytes, end: bool) -> None:
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
        if self.status != 200:
            if self.size > MAX_ERROR_BODY:  # what it says beyond that changes nothing
                self._cancel()
                self._whole(b"".join(self.parts or ()))
        elif self.size > self.gateway.max_response:
            self._unusable("larger than allowed here")

    def call_failed(self, kind: str, detail: str) -> None:
        if self.slot < 0:
            return
        if self.gone:
            self._stop_listening()
            return
        endpoint, target = self.endpoint, self.target
        engine = endpoint.engine if target is not None and target.restarts else None
        self._answer_failed(failure.of_transport(endpoint.provider, kind, detail, engine))

    def _unusable(self, detail: str) -> None:
        """What the provider sends is no answer: no more of it is wanted."""
        self._cancel()
        self._answer_failed(failure.of_content(self.endpoint.provider, detail))

    def _answer_failed(self, failed: Failure) -> None:
        self.upstream = None
        if self.streaming:
            self._broken(failed)
        else:
            self.failed(failed)

    def _cancel(self) -> None:
        if self.upstream is not None:
            self.upstream.cancel()
            self.upstream = None

    # --- whole answers ------------------------------------------------------------------------

    def _whole(self, body: bytes) -> None:
        provider, target = self.endpoint.provider, self.target
        assert target is not None
        self.upstream = None
        if self.status != 200:
            self.failed(failure.of_status(provider, self.status, self.retry_after, body))
            return
        try:
            if self.record.stream:
                raise ValueError(failure.complaint(body) or "no event stream, though one was asked for")
            whole = target.pair.whole(body, target.maker)
        except ValueError as error:
            self.failed(failure.of_content(provider, str(error)))
            return
        record = self.record
        record.finish_reason = whole.finish
        asked = self.asked
        if asked is not None and ("tools" in asked.fields or "functions" in asked.fields):
            record.tool_calls = target.pair.calls(whole)
        record.ttft_us = (time.perf_counter_ns() - self.started) // 1000
        usage = whole.usage or settling.estimate(record, whole.size // settling.BYTES_PER_TOKEN)
        plan = self.plan
        if plan is not None and target.replays:
            self.gateway.conversations.remember_whole(record, target, body)
        if plan is not None and plan.course is not None:
            self._let_hear(plan.course, usage, whole=whole)
        self.settle("ok", 200, usage)
        self._answer(whole, usage)

    def _let_hear(
        self, course: Course, usage: Usage, *, whole: Whole | None = None, last: bytes = b""
    ) -> None:
        """A model that was chosen here has answered: whether that is good enough is judged before it is
        settled."""
        if not course.listens:
            return
        wire, render = self.way.wire, None
        try:
            if whole is not None:
                telling = self.telling()
                render = functools.partial(whole.render, telling, usage)
                answer = hearing.whole(wire, render(0))
            else:
                parts = self.reply.parts if isinstance(self.reply, Collecting) else ()
                answer = hearing.streamed(wire, b"".join((*parts, last)))
        except ValueError as error:
            log.warning("the answer of %s can't be judged: %s", self.record.model, error)
            answer = hearing.UNHEARD
        except Exception:  # a mistake of ours is no reason to lose an answer
            log.exception("the answer of %s can't be read", self.record.model)
            answer = hearing.UNHEARD
        course.heard(answer, self.record, usage, render)

    def _answer(self, whole: Whole, usage: Usage) -> None:
        record, plan = self.record, self.plan
        cost = record.cost_nano_usd
        if plan is not None and plan.course is not None:
            cost = plan.course.spent_nano_usd
        answer = whole.render(self.telling(), usage, cost)
        lines = b"%bx-generation-id: %b\r\n%b" % (JSON_TYPE, record.id.encode(), self.limit_lines)
        if plan is not None:
            lines += plan.head_lines
            plan.answered(self, answer)
        self.reply.send(200, lines, answer)
        course = plan.course if plan is not None else None
        if course is not None and course.after is not None and not course.doubted:
            self.gateway.loop.call_soon(course.after)

    # --- streams ------------------------------------------------------------------------------

    def _relay(self, stream: Stream, data: bytes, end: bool) -> None:
        try:
            out = stream.feed(data) if data else b""
            if end and not stream.done:
                out += stream.flush()
        except ValueError as error:
            self._unusable(str(error))
            return
        if not self.streaming:
            if out and out[0] == _COMMENT:  # is no answer yet: the next endpoint may still be asked
                out = b"".join([event for event in sse.events(out) if sse.payload(event) is not None])
            if stream.error or (end and not out):
                self._unusable(stream.error or "an empty stream")
                return
            if not out:
                if self.plan is not None:  # which reads along from the first byte on
                    self.plan.passed(data, out)
                return
            self._first_byte()
        if self.plan is not None:
            self.plan.passed(data, out)
        if stream.done or stream.error or end:
            self._finish(stream, out, end)
        elif out:
            self.gateway.inflight.touch(self.slot, stream.events)
            self.reply.write(out)

    def _first_byte(self) -> None:
        self.streaming = True
        self.deadline = NEVER
        gateway = self.gateway
        gateway.sweeper.forget(self)
        now = time.perf_counter_ns()
        self.record.ttft_us = (now - self.started) // 1000
        target = self.target
        if target is not None and target.vitals is not None:
            target.vitals.first_token((now - self.sent_at) / 1e9, gateway.loop.time())
        self.asked = None
        reply = self.reply
        if reply.request is not None:
            reply.release_body(reply.request)
            reply.request.headers = _NO_HEADERS
        if not self.commented:
            self._start_stream()

    def _finish(self, stream: Stream, out: bytes, end: bool) -> None:
        if not end:  # the provider is done but has not closed its answer: nobody waits for that
            self._cancel()
        self.upstream = None
        record = self.record
        record.finish_reason = stream.finish
        if stream.error:
            self._broken(failure.of_content(self.endpoint.provider, stream.error), out, reason=stream.error)
            return
        if not stream.done and not record.finish_reason:
            self._broken(failure.of_content(self.endpoint.provider, "its stream ended too early"), out)
            return
        if not stream.done:
            out += stream.close()
        usage = stream.usage or settling.estimate(record, stream.output_tokens)
        if self.plan is not None and self.plan.course is not None:
            self._let_hear(self.plan.course, usage, last=out)
        self.settle("ok", 200, usage)
        if self.plan is not None:
            self.plan.streamed(self, out)
        self.reply.finish(out)

    def _broken(
        self, failed: Failure, out: bytes = b"", outcome: str = "upstream_error", reason: str = ""
    ) -> None:
        """The provider failed in mid-stream: the status is sent, so the stream itself must say it."""
        stream, record, target = self.stream, self.record, self.target
        assert stream is not None
        record.reasons = f"{record.reasons} {failed.reason}".lstrip()
        record.finish_reason = "error"
        if failed.error.kind == "upstream_timeout":
            outcome = "timeout"
        if outcome != "shutdown" and target is not None and target.vitals is not None:
            failure.note(target, self.key, failed, self.gateway.loop.time())
        self.settle(outcome, 200, settling.so_far(record, stream))
        error = failed.error
        message = reason or error.message
        if target is not None:
            message = target.hide(message)
        self.reply.finish(out + stream.failure(message, error.status, error.kind))

    def _stop_listening(self) -> None:
        """The caller has left and the provider has had its last word."""
        raise NotImplementedError

    def _last_words(self, data: bytes, end: bool) -> None:
        """The caller has left: only what the provider says of usage is of interest."""
        raise NotImplementedError

    def _drop_hedge(self) -> None:
        """No second attempt is needed any more."""
        raise NotImplementedError

"""One admitted request seen through, whatever its caller and its provider do: one settled record.

The record is written before the last byte of the answer is released.
"""

from __future__ import annotations

import contextlib
import time

from tokenworks.errors import Unavailable
from tokenworks.gateway import settling
from tokenworks.gateway.answering import Answering
from tokenworks.gateway.failure import Failure
from tokenworks.http.timers import NEVER
from tokenworks.schema import Usage

LAST_WORDS_S = 0.05  # that a provider's answer is still listened to when the caller has left


class Exchange(Answering):
    """Callbacks from the caller's connection, and the end."""

    # --- from the caller ----------------------------------------------------------------------

    def client_gone(self) -> None:
        """Stop the provider: what was delivered so far is what the record can tell.

        A moment is left for what is already on its way here, which often is the provider's own
        count of what it will charge.
        """
        self.gone = True
        self._drop_hedge()
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
            usage = settling.so_far(self.record, stream)
            self.record.finish_reason = stream.finish
        elif self.upstream is not None:
            if self.status in (0, 200):  # the provider has read the prompt
                usage = settling.estimate(self.record, 0)
        elif self.target is not None:
            self.target.origin.forget(self.first or self)
        if self.endpoint.engine is not None:
            self.gateway.engines.forget(self.endpoint.engine, self.engine_ready)
        self._cancel()
        self.settle("client_gone", 200 if self.streaming or self.commented else 0, usage)

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
        target = self.target
        if end and self.status == 200 and target is not None:
            with contextlib.suppress(ValueError):
                whole = target.pair.whole(b"".join(self.parts), target.maker)
                usage = whole.usage
                if usage is not None and self.offers_tools:
                    self.record.tool_calls = target.pair.calls(whole)
        if end and usage is not None:
            self.upstream = None
            self.settle("client_gone", 200 if self.commented else 0, usage)
        elif end:
            self._stop_listening()

    def shut_down(self) -> None:
        """The server stops and this answer is not complete: say so and settle what was delivered."""
        self._cancel()
        self._drop_hedge()
        error = Unavailable("the server was stopped before this answer was complete", retry_after_s=1)
        if self.streaming:
            self._broken(Failure("shutdown", error), outcome="shutdown")
        elif self.commented:
            self.settle("shutdown", 200, None)
            self._fail_stream(error)
        else:
            self.settle("shutdown", error.status, None)
            self.reply.fail(error, self.way.render)

    def client_slow(self) -> None:
        if self.upstream is not None:
            self.upstream.pause()

    def client_ready(self) -> None:
        if self.upstream is not None:
            self.upstream.resume()

    # --- the end ------------------------------------------------------------------------------

    def _drop_hedge(self) -> None:
        if self.hedge_timer is not None:
            self.hedge_timer.cancel()
            self.hedge_timer = None
        hedge, self.hedge = self.hedge, None
        if hedge is not None:
            hedge.drop()

    def settle(self, outcome: str, status: int, usage: Usage | None) -> None:
        """Write the one record of this request. Later calls do nothing."""
        slot, self.slot = self.slot, -1
        if slot < 0:
            return
        if self.deadline is not NEVER:
            self.deadline = NEVER
            self.gateway.sweeper.forget(self)
        record = self.record
        if self.stream is not None:
            record.tool_calls = self.stream.tool_calls
        settling.fill(record, outcome, status, usage, self.endpoint.price)
        rates = self.gateway.rates
        if rates is not None and usage is not None:
            settling.power(record, rates)
        plan = self.plan
        if plan is not None and plan.course is not None:
            plan.course.settling(record, outcome, usage)
        if self.hold is not None:
            self.hold.settle(record, usage)
        if plan is not None and plan.asked_at is not None:
            computed = record.uncached_input_tokens + record.cache_write_tokens + record.output_tokens
            plan.leaves(computed, self.gateway.loop.time())
        elapsed = time.perf_counter_ns() - self.started
        record.latency_us = elapsed // 1000
        target = self.target
        if target is not None and target.vitals is not None:
            if outcome == "ok":
                seconds = (self.started + elapsed - self.sent_at) / 1e9
                target.vitals.succeeded(seconds, record.output_tokens, self.gateway.loop.time())
                if self.plan is not None:
                    self.plan.settled(self)
            elif outcome in ("client_gone", "shutdown"):
                target.vitals.released()
        gateway = self.gateway
        gateway.journal.append(record)
        if gateway.journal.healthy:
            gateway.inflight.release(slot)
        else:  # the record exists only in memory: until the disk takes it, the slot vouches for it
            gateway.vouch(slot, record)

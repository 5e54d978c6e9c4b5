"""The attempts of one request: endpoints in order, other keys, a second attempt beside a slow first one.

Until the first byte of an answer has gone to the caller a failed attempt is followed by the next.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from tokenworks.engines.state import EngineState
from tokenworks.errors import TokenworksError, Unavailable
from tokenworks.gateway import failure, hedge
from tokenworks.gateway.failure import Failure
from tokenworks.gateway.hedge import First, Hedge
from tokenworks.http.server import ClientConnection
from tokenworks.http.timers import NEVER
from tokenworks.http.upstream import UpstreamConnection
from tokenworks.ledger.record import Record
from tokenworks.providers.target import Target
from tokenworks.schema import Endpoint, Usage
from tokenworks.wire import pairs
from tokenworks.wire.answer import Telling
from tokenworks.wire.pairing import Asked, Stream
from tokenworks.wire.replay import Recall

if TYPE_CHECKING:
    from tokenworks.gateway.admission import Hold
    from tokenworks.gateway.front import Gateway
    from tokenworks.gateway.plan import Plan
    from tokenworks.gateway.way import Way
    from tokenworks.plans.block import Block

MOST_NESTED = 50  # attempts that fail at once, as with many that rest; the next has a stack of its own
JOIN_BELOW = 8 * 1024  # copying less than this is cheaper than another write
COMMENT = b": TOKENWORKS PROCESSING\n\n"  # keeps a waiting connection alive; clients skip comments
SSE_HEAD = b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"


class Attempts(msgspec.Struct, eq=False):
    """What is common to all attempts, and the way from one to the next.

    A struct only because one is made faster than an object with an ``__init__``.
    """

    gateway: Gateway
    way: Way
    reply: ClientConnection
    asked: Asked | None
    record: Record
    endpoints: Sequence[Endpoint]
    endpoint: Endpoint
    started: int  # perf_counter_ns
    plan: Plan | None  # None for an ordinary request: one endpoint, no wishes
    index: int = 0
    status: int = 0
    size: int = 0
    sent_at: int = 0
    slot: int = -1
    key: str = ""  # name of the provider's key in use
    target: Target | None = None
    upstream: UpstreamConnection | None = None
    stream: Stream | None = None
    first: First | Hedge | None = None  # the call until it is answered, if not the exchange itself
    hedge: Hedge | None = None  # what has begun beside it
    hedge_timer: asyncio.TimerHandle | None = None
    parts: list[bytes] | None = None
    gone: bool = False  # the caller has left
    streaming: bool = False  # the first byte of an answer has gone to the caller
    commented: bool = False  # the head of a stream has gone to the caller, and a comment
    deadline: float = NEVER
    retry_after: bytes = b""
    limit_lines: bytes = b""  # header lines of the answer that tell of limits
    hold: Hold | Block | None = None  # what is reserved for it, if anything limits its key
    refused: tuple[str, ...] = ()  # models that can't take this request, whoever serves them

    # --- attempts -----------------------------------------------------------------------------

    def begin(self) -> None:
        """Enter the request as in flight and try the first endpoint.

        Raises Unavailable when there is no room to note it.
        """
        gateway = self.gateway
        try:
            self.slot = gateway.inflight.open(self.record)
        except (OSError, ValueError) as error:  # the disk is full; too many limits for a slot
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise Unavailable(f"no room to note this request: {reason}", retry_after_s=5) from None
        self.reply.exchange = self
        if self.record.stream:
            self.deadline = gateway.sweeper.now + gateway.comment_after_s
            gateway.sweeper.watch(self)
        self.index = 1
        self._attempt(self.endpoint)

    def _attempt(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        record = self.record
        record.attempts += 1
        record.model = endpoint.model
        record.provider = endpoint.provider
        record.price_id = endpoint.price.id
        plan = self.plan
        if plan is not None and plan.replicas is not None:
            plan.asks(endpoint, self.gateway.loop.time())
        if endpoint.engine is None:
            try:
                target = self.gateway.targets.of(endpoint, self.way.wire)
            except TokenworksError as error:
                self.target = None
                self._unasked(error)
                return
            self.call(target)
            return
        self.target = None  # until the engine is up
        engines = self.gateway.engines
        state = engines.ready(endpoint.engine)
        if state is not None:
            self.engine_ready(state)
        else:
            engines.when_ready(endpoint.engine, self.engine_ready)

    def _attempt_afresh(self, endpoint: Endpoint) -> None:
        if self.slot >= 0:
            self._attempt(endpoint)

    @property
    def wants_usage(self) -> bool:
        """Whether the caller wants his stream to tell what it used."""
        return self.asked is None or self.asked.wants_usage

    @property
    def offers_tools(self) -> bool:
        """Whether the model may call any, so that calls are counted; not told once a stream has begun."""
        asked = self.asked
        return asked is not None and ("tools" in asked.fields or "functions" in asked.fields)

    @property
    def abandoned(self) -> bool:
        """Settled already: no answer is wanted any more."""
        return self.slot < 0

    def engine_ready(self, state: EngineState) -> None:
        """Our own engine is up (or will not come up)."""
        if self.slot < 0:
            return  # the caller has left, or the server stops
        if state.state != "ready":
            what = "is not there" if state.state == "unreachable" else "can't start"
            error = Unavailable(f"engine {state.name} {what}: {state.reason}", provider_name="local")
            self.failed(Failure(f"{self.endpoint.provider}:engine", error))
            return
        self.call(self.gateway.engine_target(self.endpoint, state, self.way.wire))

    def take(self, other: Hedge) -> None:
        """Go on with an attempt that began beside the first one, which is over."""
        self.hedge, self.first = None, other
        self.endpoint = endpoint = other.endpoint
        self.target, self.key, self.sent_at = other.target, other.key, other.sent_at
        self.upstream, self.stream = other.upstream, None
        self.status, self.retry_after = other.status, other.retry_after
        self.parts, self.size = other.error or None, other.size
        if self.plan is not None:
            self.plan.tried_keys = {other.key} if other.key else set()
            self.plan.asks(endpoint, self.gateway.loop.time())
        record = self.record
        record.model, record.provider, record.price_id = endpoint.model, endpoint.provider, endpoint.price.id

    def call(self, target: Target) -> None:
        """Ask ``target``, unless it rests while another endpoint is left."""
        self.target = target
        vitals, keyring = target.vitals, target.keyring
        if keyring is not None and self.index < len(self.endpoints) and keyring.wait_s() > 0:
            self.failed(failure.of_rest(self.endpoint.provider, keyring.wait_s()))
            return
        if vitals is not None and vitals.troubled and not vitals.admit(self.gateway.loop.time()):
            resting = failure.of_rest(self.endpoint.provider, vitals.rest_s(self.gateway.loop.time()))
            if self.index < len(self.endpoints) or resting.error.retry_after_s is not None:
                self.failed(resting)
                return
        if target.replays and self.plan is not None:
            self.gateway.conversations.recall(self, target, self.send)
        else:
            self.send()

    def send(self, recall: Recall | None = None) -> None:
        """Write the request to the provider; ``recall`` is reasoning to be put back into it."""
        target, asked, plan = self.target, self.asked, self.plan
        if self.slot < 0 or target is None or asked is None:
            return  # the caller has left meanwhile
        pair, head = target.pair, target.head
        try:
            if plan is None:
                start, longest = pair.body(asked, target.maker, target.upstream_id)
            else:
                start, longest = pair.body(asked, plan.maker(target), target.upstream_id, recall)
                if target.keyring is not None:
                    self.key = plan.pick_key(target.keyring)
                head = target.head_with(self.key, plan.passed_on if pair.same else b"")
        except TokenworksError as error:
            self._unasked(error)
            return
        size = len(longest)
        head = b"%b%d\r\n\r\n%b" % (head, len(start) + size + 1, start)
        self.sent_at = time.perf_counter_ns()
        call: Attempts | First = self
        if plan is not None and plan.hedges and self.record.stream:
            call = self.first = First(self, target)
            if self.hedge is None and self.index < len(self.endpoints):
                hedge.later(self, target)
        if size < JOIN_BELOW:
            target.origin.send(call, (b"%b%b}" % (head, longest),))
        else:
            target.origin.send(call, (head, memoryview(longest), b"}"))

    def _unasked(self, error: TokenworksError) -> None:
        """The endpoint can't be asked this at all."""
        self.failed(Failure(f"{self.endpoint.provider}:{error.status}", error))

    def failed(self, failed: Failure) -> None:
        """This attempt came to nothing: another key, the other attempt under way, the next endpoint, or
        the end."""
        self.upstream = self.parts = self.stream = self.first = None
        self.status = self.size = 0
        if self.hedge_timer is not None:
            self.hedge_timer.cancel()
            self.hedge_timer = None
        record, target, plan = self.record, self.target, self.plan
        record.reasons = f"{record.reasons} {failed.reason}".lstrip()
        if target is not None and target.vitals is not None:
            failure.note(target, self.key, failed, self.gateway.loop.time())
        if plan is not None:
            plan.gleaner = None
            if target is not None and plan.another_key(target.keyring, self.key, failed):
                self._attempt(self.endpoint)
                return
        if failed.final:  # the request is at fault: only another model may still take it
            self.refused = (*self.refused, self.endpoint.model)
        if self.hedge is not None and self.hedge.take_over():
            return
        if self._go_on():
            endpoint = self.endpoints[self.index]
            self.index += 1
            if record.attempts % MOST_NESTED:
                self._attempt(endpoint)
            else:
                self.gateway.loop.call_soon(self._attempt_afresh, endpoint)
            return
        error = failed.error
        if target is not None:
            error.message = target.hide(error.message)
        if record.attempts > 1:
            error.metadata["attempts"] = record.reasons
        outcome = "timeout" if error.kind == "upstream_timeout" else "upstream_error"
        if error.status in failure.CALLERS_FAULT:
            outcome = "bad_request"
        self.settle(outcome, 200 if self.commented else error.status, None)
        if self.commented:
            self._fail_stream(error)
        else:
            self.reply.fail(error, self.way.render)

    def _fail_stream(self, error: TokenworksError) -> None:
        """An error for a caller whose stream has begun with nothing but comments."""
        writer = pairs.writer(self.way.wire, self.telling())
        self.reply.finish(writer.failure(error.message, error.status, error.kind))

    def _go_on(self) -> bool:
        """Whether another endpoint is to be tried; ``index`` is its place then."""
        while self.index < len(self.endpoints) and self.endpoints[self.index].model in self.refused:
            self.index += 1
        if self.index >= len(self.endpoints):
            return False
        return time.perf_counter_ns() - self.started < self.gateway.retry_within_ns

    # --- waiting ------------------------------------------------------------------------------

    def expire(self) -> None:
        """Nothing has come for a while: tell the caller's client that somebody is still there."""
        if self.slot < 0 or self.streaming or self.gone:
            self.gateway.sweeper.forget(self)
            return
        if not self.commented:
            self.commented = True
            self._start_stream()
        self.reply.write(COMMENT)
        self.deadline = self.gateway.sweeper.now + self.gateway.comment_after_s

    def _start_stream(self) -> None:
        extra = self.plan.head_lines if self.plan is not None else b""
        extra += self.limit_lines
        self.reply.start(200, b"%bx-generation-id: %b\r\n%b" % (SSE_HEAD, self.record.id.encode(), extra))

    # --- what the rest of an exchange does ----------------------------------------------------

    def telling(self) -> Telling:
        """What this caller is to be told."""
        raise NotImplementedError

    def settle(self, outcome: str, status: int, usage: Usage | None) -> None:
        """Write the one record of this request."""
        raise NotImplementedError

    def answer_head(self, status: int, connection: UpstreamConnection) -> None:
        """See ``http.upstream.Call``."""
        raise NotImplementedError

    def answer_data(self, data: bytes, end: bool) -> None:
        """See ``http.upstream.Call``."""
        raise NotImplementedError

    def call_failed(self, kind: str, detail: str) -> None:
        """See ``http.upstream.Call``."""
        raise NotImplementedError

    def client_gone(self) -> None:
        """See ``http.request.Exchange``."""
        raise NotImplementedError

    def client_slow(self) -> None:
        """See ``http.request.Exchange``."""
        raise NotImplementedError

    def client_ready(self) -> None:
        """See ``http.request.Exchange``."""
        raise NotImplementedError

    def shut_down(self) -> None:
        """See ``http.request.Exchange``."""
        raise NotImplementedError

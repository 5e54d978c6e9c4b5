"""A second attempt beside a slow first one: whichever answers first serves the caller.

Only streams are hedged: what is known of an endpoint is how long its streams take to begin, and a whole
answer takes longer than that by nature. The second endpoint serves the same model.

The one that comes too late is cancelled. What its provider charges for the work begun is not known to
anybody here; that is the price of a hedge, so it is off unless configured.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tokenworks.errors import TokenworksError
from tokenworks.gateway import failure
from tokenworks.gateway.failure import MAX_ERROR_BODY, Failure
from tokenworks.http.upstream import UpstreamConnection
from tokenworks.providers.target import Target
from tokenworks.routing.hedge import hedge_after
from tokenworks.schema import Endpoint

if TYPE_CHECKING:
    from tokenworks.gateway.attempts import Attempts

FALLBACK_S = 10.0  # before enough is known of an endpoint


class First:
    """An attempt beside which another may begin, as a call of its own: it can be dropped while it still
    waits for a connection."""

    __slots__ = ("dropped", "exchange", "target")

    def __init__(self, exchange: Attempts, target: Target) -> None:
        self.exchange = exchange
        self.target = target
        self.dropped = False

    def drop(self) -> None:
        """The other one was faster."""
        self.dropped = True
        self.target.origin.forget(self)
        if self.exchange.upstream is not None:
            self.exchange.upstream.cancel()
        if self.target.vitals is not None:
            self.target.vitals.released()

    # --- as a call ----------------------------------------------------------------------------

    @property
    def upstream(self) -> UpstreamConnection | None:
        """See ``http.upstream.Call``: the connection is the exchange's."""
        return self.exchange.upstream

    @upstream.setter
    def upstream(self, connection: UpstreamConnection | None) -> None:
        self.exchange.upstream = connection

    @property
    def abandoned(self) -> bool:
        return self.dropped or self.exchange.abandoned

    def answer_head(self, status: int, connection: UpstreamConnection) -> None:
        self.exchange.answer_head(status, connection)

    def answer_data(self, data: bytes, end: bool) -> None:
        self.exchange.answer_data(data, end)

    def call_failed(self, kind: str, detail: str) -> None:
        if not self.dropped:
            self.exchange.call_failed(kind, detail)


class Hedge:
    """The second attempt, as a call of its own until it has won; then it passes everything on."""

    __slots__ = (
        "_connection",
        "dropped",
        "endpoint",
        "error",
        "exchange",
        "key",
        "retry_after",
        "sent_at",
        "size",
        "status",
        "target",
        "won",
    )

    def __init__(self, exchange: Attempts, endpoint: Endpoint, target: Target, key: str) -> None:
        self.exchange = exchange
        self.endpoint = endpoint
        self.target = target
        self.key = key  # name of the provider's key in use
        self._connection: UpstreamConnection | None = None
        self.dropped = False
        self.won = False
        self.sent_at = self.status = self.size = 0
        self.retry_after = b""
        self.error: list[bytes] = []  # pieces of an answer whose status says no

    def send(self, body: bytes) -> None:
        """Send ``body`` to this endpoint."""
        target, plan = self.target, self.exchange.plan
        assert plan is not None
        head = target.head_with(self.key, plan.passed_on if target.pair.same else b"")
        self.sent_at = time.perf_counter_ns()
        target.origin.send(self, (b"%b%d\r\n\r\n%b" % (head, len(body), body),))

    def drop(self) -> None:
        """The other one was faster."""
        self.dropped = True
        self.target.origin.forget(self)
        self._cancel()
        if self.target.vitals is not None:
            self.target.vitals.released()
        self._note(f"{self.endpoint.provider}:hedge")

    def take_over(self) -> bool:
        """The first attempt has failed: this one goes on alone. False where it has come to nothing too."""
        if self.dropped:
            return False
        self._win()
        return True

    def _win(self) -> None:
        self.won = True
        self.exchange.take(self)

    def _cancel(self) -> None:
        if self._connection is not None:
            self._connection.cancel()
            self._connection = None

    def _note(self, reason: str) -> None:
        record = self.exchange.record
        record.reasons = f"{record.reasons} {reason}".lstrip()

    # --- as a call ----------------------------------------------------------------------------

    @property
    def upstream(self) -> UpstreamConnection | None:
        """See ``http.upstream.Call``: the connection is the exchange's once this attempt has won."""
        return self._connection

    @upstream.setter
    def upstream(self, connection: UpstreamConnection | None) -> None:
        self._connection = connection
        if self.won:  # it took over before it was connected
            self.exchange.upstream = connection

    @property
    def abandoned(self) -> bool:
        return self.dropped or self.exchange.abandoned

    def answer_head(self, status: int, connection: UpstreamConnection) -> None:
        if status == 200 and not self.won:
            first = self.exchange.first
            if first is not None:
                first.drop()
            self._note(f"{self.exchange.endpoint.provider}:slow")
            self._win()
        if self.won:
            self.exchange.answer_head(status, connection)
        else:
            self.status = status
            self.retry_after = connection.header(b"retry-after")

    def answer_data(self, data: bytes, end: bool) -> None:
        if self.won:
            self.exchange.answer_data(data, end)
            return
        self.error.append(data)
        self.size += len(data)
        if end or self.size > MAX_ERROR_BODY:
            if not end:
                self._cancel()
            provider = self.endpoint.provider
            self._failed(failure.of_status(provider, self.status, self.retry_after, b"".join(self.error)))

    def call_failed(self, kind: str, detail: str) -> None:
        if self.won:
            self.exchange.call_failed(kind, detail)
        elif not self.dropped:
            self._failed(failure.of_transport(self.endpoint.provider, kind, detail))

    def _failed(self, failed: Failure) -> None:
        """It came to nothing; the first attempt goes on alone."""
        self.dropped = True
        exchange = self.exchange
        exchange.hedge = None
        self._note(failed.reason)
        if self.target.vitals is not None:
            failure.note(self.target, self.key, failed, exchange.gateway.loop.time())


def later(exchange: Attempts, target: Target) -> None:
    """Begin a second attempt when the first, just sent to ``target``, is slower than it usually is."""
    gateway = exchange.gateway
    loop = gateway.loop
    after = hedge_after(target.vitals, gateway.hedge_percentile, FALLBACK_S, loop.time())
    if after is not None:
        exchange.hedge_timer = loop.call_later(after, start, exchange)


def start(exchange: Attempts) -> None:
    """Begin a second attempt for ``exchange`` if the first is still silent and another endpoint is left."""
    exchange.hedge_timer = None
    asked, plan, gateway = exchange.asked, exchange.plan, exchange.gateway
    if exchange.status or asked is None or plan is None or exchange.index >= len(exchange.endpoints):
        return
    endpoint = exchange.endpoints[exchange.index]
    if endpoint.engine is not None or endpoint.model != exchange.endpoint.model:
        return
    key = ""
    try:
        target = gateway.targets.of(endpoint, exchange.way.wire)
        if target.keyring is not None:
            picked = target.keyring.pick(plan.session)
            if picked is None:
                return
            key = picked.name
        if target.replays and target.pair.wanting(asked, target.maker):
            return  # it would refuse the request without reasoning that is yet to be looked up
        begin, longest = target.pair.body(asked, plan.maker(target), target.upstream_id)
    except TokenworksError:  # it can't be asked this; the first attempt goes on alone
        return
    if target.vitals is not None and target.vitals.troubled and not target.vitals.admit(gateway.loop.time()):
        return
    exchange.index += 1
    exchange.record.attempts += 1
    exchange.hedge = Hedge(exchange, endpoint, target, key)
    exchange.hedge.send(b"%b%b}" % (begin, bytes(longest)))

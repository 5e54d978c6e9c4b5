"""A second attempt beside a slow first one: whichever answers first serves the caller.

The one that comes too late is cancelled. What its provider charges for the work begun is not known to
anybody here; that is the price of a hedge, so it is off unless configured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenworks.errors import TokenworksError
from tokenworks.gateway import failure
from tokenworks.gateway.failure import Failure
from tokenworks.http.upstream import UpstreamConnection
from tokenworks.providers.target import Target
from tokenworks.schema import Endpoint

if TYPE_CHECKING:
    from tokenworks.gateway.attempts import Attempts


class Hedge:
    """The second attempt, as a call of its own until it has won; then it passes everything on."""

    __slots__ = (
        "_error",
        "_retry_after",
        "_status",
        "dropped",
        "endpoint",
        "exchange",
        "target",
        "upstream",
        "won",
    )

    def __init__(self, exchange: Attempts, endpoint: Endpoint, target: Target) -> None:
        self.exchange = exchange
        self.endpoint = endpoint
        self.target = target
        self.upstream: UpstreamConnection | None = None
        self.dropped = False
        self.won = False
        self._status = 0
        self._retry_after = b""
        self._error: list[bytes] = []

    def begin(self) -> None:
        """Send the same request to this endpoint. Raises what ``Pair.body`` raises."""
        exchange, target = self.exchange, self.target
        asked, plan = exchange.asked, exchange.plan
        assert asked is not None and plan is not None
        start, longest = target.pair.body(asked, plan.maker(target), target.upstream_id)
        key = plan.pick_key(target.keyring) if target.keyring is not None else ""
        head = target.head_with(key, plan.passed_on if target.pair.same else b"")
        body = b"%b%b}" % (start, bytes(longest))
        target.origin.send(self, (b"%b%d\r\n\r\n%b" % (head, len(body), body),))

    def drop(self) -> None:
        """The other one was faster."""
        if self.won:
            return
        self.dropped = True
        self.target.origin.forget(self)
        if self.upstream is not None:
            self.upstream.cancel()
            self.upstream = None
        record = self.exchange.record
        record.reasons = f"{record.reasons} {self.endpoint.provider}:hedge".lstrip()

    def take_over(self, exchange: Attempts) -> bool:
        """The first attempt has failed: this one goes on alone. False where it has come to nothing too."""
        if self.dropped or self.won:
            return False
        exchange.hedge = None
        self._win()
        return True

    def _win(self) -> None:
        self.won = True
        exchange = self.exchange
        exchange.hedge = None
        if exchange.upstream is not None:
            exchange.upstream.cancel()
            record = exchange.record
            record.reasons = f"{record.reasons} {exchange.endpoint.provider}:slow".lstrip()
        exchange.take(self.endpoint, self.target, self.upstream)

    # --- as a call ----------------------------------------------------------------------------

    @property
    def abandoned(self) -> bool:
        return self.dropped or self.exchange.abandoned

    def answer_head(self, status: int, connection: UpstreamConnection) -> None:
        if self.won or status == 200:
            if not self.won:
                self._win()
            self.exchange.answer_head(status, connection)
        else:
            self._status = status
            self._retry_after = connection.header(b"retry-after")

    def answer_data(self, data: bytes, end: bool) -> None:
        if self.won and not self._status:
            self.exchange.answer_data(data, end)
            return
        self._error.append(data[:4096])
        if end:
            self._failed(
                failure.of_status(
                    self.endpoint.provider, self._status, self._retry_after, b"".join(self._error)
                )
            )

    def call_failed(self, kind: str, detail: str) -> None:
        if self.won and not self._status:
            self.exchange.call_failed(kind, detail)
        else:
            self._failed(failure.of_transport(self.endpoint.provider, kind, detail))

    def _failed(self, failed: Failure) -> None:
        exchange = self.exchange
        if self.won:  # the first attempt has failed before
            exchange.upstream = None
            exchange.failed(failed)
            return
        self.dropped = True
        exchange.hedge = None
        record = exchange.record
        record.reasons = f"{record.reasons} {failed.reason}".lstrip()
        failure.note(self.target, "", failed, exchange.gateway.loop.time())


def start(exchange: Attempts) -> None:
    """Begin a second attempt for ``exchange`` if the first is still silent and another endpoint is left."""
    if exchange.abandoned or exchange.streaming or exchange.gone or exchange.hedge is not None:
        return
    if exchange.status or exchange.index >= len(exchange.endpoints):
        return
    endpoint = exchange.endpoints[exchange.index]
    if endpoint.engine is not None:
        return
    target = exchange.gateway.targets.of(endpoint, exchange.way.wire)
    now = exchange.gateway.loop.time()
    if target.vitals is not None and target.vitals.troubled and not target.vitals.admit(now):
        return
    exchange.index += 1
    exchange.record.attempts += 1
    hedge = Hedge(exchange, endpoint, target)
    try:
        hedge.begin()
    except TokenworksError:  # it can't be asked this; the first attempt goes on alone
        exchange.record.attempts -= 1
        return
    exchange.hedge = hedge

"""A request that stands on its caller's connection before anybody was asked for an answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from tokenworks.errors import Unavailable
from tokenworks.http.server import ClientConnection
from tokenworks.ledger.record import Record

if TYPE_CHECKING:
    from tokenworks.gateway.front import Gateway
    from tokenworks.gateway.way import Way


class Waiting:
    """What its caller and the server can do to it meanwhile: each ends it, with one record."""

    NOT_YET: ClassVar[str]  # what had not happened when the server was stopped

    gateway: Gateway
    way: Way
    reply: ClientConnection
    record: Record
    started: int  # perf_counter_ns
    over: bool = False  # it goes on, or has ended

    def client_gone(self) -> None:
        """See ``http.request.Exchange``."""
        if not self.over:
            self._settle("client_gone", 0)
            self._ended()

    def shut_down(self) -> None:
        """See ``http.request.Exchange``."""
        if not self.over:
            error = Unavailable(f"the server was stopped before {self.NOT_YET}", retry_after_s=1)
            self._settle("shutdown", error.status)
            self._ended()
            self.reply.fail(error, self.way.render)

    def client_slow(self) -> None:
        """Nothing is written yet."""

    def client_ready(self) -> None:
        """See ``client_slow``."""

    def _ended(self) -> None:
        """It has ended from outside: nothing may go on for it."""

    def _settle(self, outcome: str, status: int) -> None:
        self.over = True
        record = self.record
        record.uncached_input_tokens = record.cost_nano_usd = 0
        record.outcome, record.status = outcome, status
        record.latency_us = (time.perf_counter_ns() - self.started) // 1000
        self.gateway.journal.append(record)

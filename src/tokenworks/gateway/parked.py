"""A request that is not admitted yet: it waits for a lease, for what others give back, or because its key
is slowed down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenworks.errors import TokenworksError
from tokenworks.gateway.waiting import Waiting
from tokenworks.http.server import ClientConnection
from tokenworks.ledger.record import Record
from tokenworks.plans.subscription import PLAN
from tokenworks.wire.pairing import Asked

if TYPE_CHECKING:
    from tokenworks.gateway.admission import Wait
    from tokenworks.gateway.caller import Caller
    from tokenworks.gateway.course import Course
    from tokenworks.gateway.front import Gateway
    from tokenworks.gateway.way import Way


class Parked(Waiting):
    """Stands on the caller's connection meanwhile."""

    NOT_YET = "this request was begun"

    def __init__(
        self,
        gateway: Gateway,
        way: Way,
        body: bytes,
        reply: ClientConnection,
        asked: Asked,
        caller: Caller,
        record: Record,
        started: int,
        course: Course | None = None,
    ) -> None:
        self.gateway = gateway
        self.way = way
        self.body = body
        self.reply = reply
        self.asked = asked
        self.caller = caller
        self.record = record
        self.started = started
        self.course = course  # its model was chosen here
        self.state = PLAN  # where it stands with its plan, see ``plans.subscription``
        self.waited = False  # for the store at least
        self.tries = 0
        self.late_at = gateway.loop.time() + gateway.wait_s
        self.over = False

    def wait(self, wait: Wait) -> None:
        """Try again after the next round of leases."""
        self.over, self.waited = False, True
        self.reply.exchange = self
        if wait.partial:
            self.tries += 1
        self.gateway.leases.wait(self, self._again)

    def slow_down(self, seconds: float) -> None:
        """Try for the first time in ``seconds``."""
        self.reply.exchange = self
        self.late_at += seconds
        self.gateway.loop.call_later(seconds, self._again)

    @property
    def late(self) -> bool:
        """It has waited as long as it may."""
        return self.waited and self.gateway.loop.time() >= self.late_at

    def go(self) -> None:
        """On its way, from the choice of endpoints on. Raises what the caller did wrong."""
        self.gateway.go(
            self.way,
            self.body,
            self.reply,
            self.asked,
            self.caller,
            self.record,
            self.started,
            self.state,
            self,
            self.course,
        )

    def _again(self) -> bool:
        """True when it waits no more."""
        if self.over:
            return True
        gateway, record = self.gateway, self.record
        self.over = True  # unless it has to wait on
        gateway.leases.forget(self)
        try:
            self.go()
        except TokenworksError as error:
            gateway.refuse(error, self.way, self.reply, record, self.started)
        except BaseException:  # a mistake of ours: nobody else would ever end this request
            self.reply.transport.abort()
            raise
        return self.over

    def _ended(self) -> None:
        self.gateway.leases.forget(self)

    def _settle(self, outcome: str, status: int) -> None:
        if self.course is not None:  # others may have been asked before it
            record = self.record
            record.uncached_input_tokens = record.cost_nano_usd = 0
            self.course.refused(record, outcome, for_all=True)
        super()._settle(outcome, status)

"""A request that continues a kept response: it waits until what came before has been read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tokenworks.errors import TokenworksError
from tokenworks.gateway.settling import BYTES_PER_TOKEN
from tokenworks.gateway.waiting import Waiting
from tokenworks.http.request import Request
from tokenworks.http.server import ClientConnection
from tokenworks.ledger.record import Record
from tokenworks.wire.pairing import Asked
from tokenworks.wire.peek import Fields

if TYPE_CHECKING:
    from tokenworks.gateway.caller import Caller
    from tokenworks.gateway.front import Gateway
    from tokenworks.gateway.way import Way

_encode = msgspec.json.Encoder().encode


class Pending(Waiting):
    """Stands on the caller's connection meanwhile."""

    NOT_YET = "this answer was complete"

    def __init__(
        self,
        gateway: Gateway,
        way: Way,
        request: Request,
        reply: ClientConnection,
        asked: Asked,
        caller: Caller,
        record: Record,
        started: int,
    ) -> None:
        self.gateway = gateway
        self.way = way
        self.body = request.body
        self.reply = reply
        self.asked = asked
        self.caller = caller
        self.record = record
        self.started = started

    def begin(self) -> None:
        """Look for the response; the request goes on, or is refused, when it is found or not."""
        self.reply.exchange = self
        self.gateway.conversations.continued(self.asked.fields, self.record.key_id, self._go_on)

    def _go_on(self, found: Fields | TokenworksError) -> None:
        if self.over:
            return
        self.over = True
        gateway, record = self.gateway, self.record
        try:
            if isinstance(found, TokenworksError):
                raise found
            asked = self.way.read(_encode(found))
            record.uncached_input_tokens = asked.input_bytes // BYTES_PER_TOKEN
            allowance = gateway.book.of(self.caller.key)
            if allowance is not None:  # by the whole conversation
                gateway.guard.check(allowance, self.caller, asked, record, record.time_us)
            elif gateway.book.stops:
                gateway.guard.check_stopped(asked, record)
            gateway.go(self.way, self.body, self.reply, asked, self.caller, record, self.started)
        except TokenworksError as error:
            gateway.refuse(error, self.way, self.reply, record, self.started)

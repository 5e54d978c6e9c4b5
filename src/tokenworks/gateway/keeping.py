"""A request that its plan has no room for: it waits until the store has it, and is answered 202."""

from __future__ import annotations

import secrets
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import msgspec

from tokenworks.errors import RateLimited, TokenworksError, Unavailable
from tokenworks.gateway.caller import Caller
from tokenworks.gateway.waiting import Waiting
from tokenworks.gateway.way import WAYS, Way
from tokenworks.http.reply import JSON_TYPE
from tokenworks.http.server import ClientConnection
from tokenworks.ledger.queued import EXPIRED, QueuedRow
from tokenworks.ledger.record import Record
from tokenworks.plans.keys import Key
from tokenworks.routing.knobs import NOTHING, Wanted

if TYPE_CHECKING:
    from tokenworks.gateway.queue import Queue

MOST = 1000  # requests of one key that may wait at a time
MOST_BYTES = 256 << 20  # of their bodies together

_PATHS = {way: path for path, way in WAYS.items()}
_encode = msgspec.json.Encoder().encode


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the headers of a request said and is needed to run it later. No secret is among it."""

    app: str = ""
    session: str = ""
    client: str = ""
    passed_on: bytes = b""
    tells_routing: bool = False
    wanted: Wanted = NOTHING  # of "auto"
    capture: str = ""  # whether it may be kept to learn from


_decode_told = msgspec.json.Decoder(Told).decode


def told_by(caller: Caller) -> str:
    """JSON of what is kept of ``caller``."""
    told = Told(
        caller.app,
        caller.session,
        caller.client,
        caller.passed_on,
        caller.tells_routing,
        caller.wanted,
        caller.capture,
    )
    return _encode(told).decode()


def caller_of(row: QueuedRow, key: Key) -> Caller:
    """Who asked, as far as it matters now."""
    told = _decode_told(row.caller)
    caller = Caller(key, {})
    caller.app, caller.session, caller.client = told.app, told.session, told.client
    caller.passed_on, caller.wanted, caller.capture = told.passed_on, told.wanted, told.capture
    caller.special = caller.tells_routing = told.tells_routing
    caller.ordinary = not (told.passed_on or told.tells_routing)
    return caller


def card(row: QueuedRow) -> dict[str, Any]:
    """What a caller is told of a queued request, without its answer. Times are unix seconds."""
    found: dict[str, Any] = {
        "id": row.id,
        "object": "queued_request",
        "status": row.status,
        "model": row.model,
        "created": row.created_us // 1_000_000,
        "not_before": -(-row.not_before_us // 1_000_000),
        "url": f"/v1/queued/{row.id}",
    }
    if row.finished_us is not None:
        found["finished"] = row.finished_us // 1_000_000
    if row.status == EXPIRED:
        message = "the plan had no room for it within 7 days; send it again, or ask for a larger plan"
        found["error"] = {"message": message, "type": EXPIRED, "param": None, "code": 429}
    return found


class Keeping(Waiting):
    """Stands on the caller's connection until the store has the request."""

    NOT_YET = "this request was queued"

    def __init__(
        self,
        queue: Queue,
        way: Way,
        body: bytes,
        reply: ClientConnection,
        caller: Caller,
        record: Record,
        started: int,
        frees_us: int,
    ) -> None:
        """``frees_us`` is when the plan has room again, at the earliest."""
        self.queue = queue
        self.gateway = queue.gateway
        self.way = way
        self.reply = reply
        self.record = record
        self.started = started
        self.frees_us = frees_us
        now_us = time.time_ns() // 1000
        self.row = QueuedRow(
            id=f"q_{secrets.token_hex(16)}",
            key_id=record.key_id,
            path=_PATHS[way],
            model=record.requested_model,
            caller=told_by(caller),
            created_us=now_us,
            not_before_us=queue.next_look_us(frees_us, now_us),
            body=body,
        )

    def begin(self) -> None:
        """Write it down; the caller is answered when that is done."""
        self.reply.exchange = self
        store, row = self.queue.store, self.row
        self.queue.in_thread(lambda: store.enqueue(row, MOST, MOST_BYTES), self._told)

    def _told(self, task: Future[bool]) -> None:
        if self.over:
            return
        self.over = True
        error = task.exception()
        if error is not None:  # what is told to be refused must not be run
            self.queue.drop(self.row.id)
            if not isinstance(error, TokenworksError):
                error = Unavailable("this request could not be queued; send it again", retry_after_s=5)
            self._refuse(error)
        elif not task.result():
            self._refuse(
                RateLimited(
                    f"the plan is used up, and this key has as much in the queue as it may ({MOST} requests, "
                    f"{MOST_BYTES >> 20} MiB); wait, or cancel some (GET /v1/queued)",
                    retry_after_s=self._after_s(),
                )
            )
        else:
            self._settle("queued", 202)
            lines = b"%blocation: /v1/queued/%b\r\nretry-after: %d\r\nx-generation-id: %b\r\n" % (
                JSON_TYPE,
                self.row.id.encode(),
                self._after_s(),
                self.record.id.encode(),
            )
            self.reply.send(202, lines, _encode(card(self.row)))

    def _after_s(self) -> int:
        return max(1, -(-(self.frees_us - time.time_ns() // 1000) // 1_000_000))

    def _refuse(self, error: TokenworksError) -> None:
        self.gateway.refuse(error, self.way, self.reply, self.record, self.started)

    def _ended(self) -> None:
        """Nobody will learn its name, so nobody could fetch its answer."""
        self.queue.drop(self.row.id)

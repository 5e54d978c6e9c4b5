"""A request for ``auto`` whose cheap answer is looked at before anybody sees it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import msgspec

from tokenworks.errors import LoopStopped, PaymentRequired, RateLimited, TokenworksError, Unavailable
from tokenworks.errors import render as render_error
from tokenworks.gateway.attempts import COMMENT, SSE_HEAD
from tokenworks.gateway.collecting import Collecting
from tokenworks.gateway.retelling import with_cost
from tokenworks.gateway.settling import BYTES_PER_TOKEN
from tokenworks.gateway.waiting import Waiting
from tokenworks.http.server import ClientConnection
from tokenworks.ledger.record import Record
from tokenworks.schema import Price
from tokenworks.wire import pairs
from tokenworks.wire.answer import Telling

if TYPE_CHECKING:
    from tokenworks.gateway.caller import Caller
    from tokenworks.gateway.course import Course
    from tokenworks.gateway.front import Gateway
    from tokenworks.gateway.way import Way
    from tokenworks.wire.pairing import Asked


class Draft(Collecting):
    """One model's answer, until it is known what becomes of it."""

    __slots__ = ("cascading", "error")

    def __init__(self, cascading: Cascading) -> None:
        super().__init__(cascading.gateway.max_response)
        self.cascading = cascading
        self.error: TokenworksError | None = None

    def fail(self, error: TokenworksError, render: Callable[[TokenworksError], bytes] = render_error) -> None:
        """It has none."""
        self.error = error
        super().fail(error, render)

    def write(self, data: bytes) -> None:
        """A piece of a stream; a comment goes on to the caller, who waits for a sign of life."""
        if data == COMMENT and not self.over:
            self.cascading.comment()
        else:
            super().write(data)

    def leave(self) -> None:
        """Nobody wants it any more. Whoever answers settles at once where it is too long: the next model is
        asked only after that."""
        if self.size > self.most and self.exchange is not None:
            self.exchange.client_slow()
        super().leave()

    def refused(self, record: Record, error: TokenworksError) -> None:
        """Nobody was asked. What has no room now has none for a dearer model either."""
        for_all = isinstance(error, RateLimited | PaymentRequired | LoopStopped | Unavailable)
        self.cascading.course.refused(record, record.outcome, for_all=for_all)

    def collected(self, status: int, answer: bytes) -> None:
        """It is complete: on to what comes next, when whoever answers is through with it."""
        cascading = self.cascading
        cascading.drafted(Served(status, self.headers, answer, cascading.course.spent_nano_usd, self.error))
        cascading.gateway.loop.call_soon(cascading.go_on, self)


class Served(msgspec.Struct):
    """An answer as it would go out."""

    status: int
    headers: bytes
    body: bytes
    nano_usd: int  # what it says that it cost
    error: TokenworksError | None = None


class Cascading(Waiting):
    """Stands on the caller's connection while models are asked one after the other."""

    NOT_YET = "this answer was complete"

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
        course: Course,
    ) -> None:
        self.gateway = gateway
        self.way = way
        self.body = body
        self.reply = reply
        self.asked = asked
        self.caller = caller
        self.record = record  # of the model that is asked now
        self.started = started
        self.course = course
        self.draft = Draft(self)
        self.answers: dict[str, Served] = {}
        self.latest: Served | None = None
        self.commented = False
        self.broken = False  # what was served is a stream that says so at its end

    def begin(self) -> None:
        """Ask the first model. Raises what the caller did wrong."""
        self.reply.exchange = self
        self._ask(self.record, self.started)

    def _ask(self, record: Record, started: int) -> None:
        self.record = record
        asked = self.course.turn(self.asked)
        reply = cast(ClientConnection, self.draft)
        try:
            self.gateway.go(
                self.way, self.body, reply, asked, self.caller, record, started, course=self.course
            )
        except TokenworksError as error:
            self.gateway.refuse(error, self.way, reply, record, started)

    @property
    def answered(self) -> bool:
        """Whether the latest model gave an answer; a stream may have broken."""
        return self.course.outcome == "ok" and self.latest is not None and self.latest.status == 200

    def drafted(self, served: Served) -> None:
        """A model has answered, or it could not."""
        self.latest = served
        if self.answered:
            self.answers[self.record.id] = served

    def go_on(self, draft: Draft) -> None:
        """Serve what there is, or ask the next model."""
        if self.over or draft is not self.draft or self.latest is None:
            return
        try:
            if self.course.closed:
                self._serve(self._chosen() or self.latest)
            else:
                self.course.advance(answered=self.answered)
                self.draft = Draft(self)
                self._ask(self._new_record(), time.perf_counter_ns())
        except BaseException:  # a mistake of ours: nobody else would ever end this request
            self.over = True
            self.reply.transport.abort()
            raise

    def _new_record(self) -> Record:
        record = self.gateway.new_record(self.record, self.asked.input_bytes // BYTES_PER_TOKEN)
        record.labels = self.record.labels  # the same work, done by another model
        return record

    def _chosen(self) -> Served | None:
        """The answer that the course chose, with what all of them cost together. It is kept where its caller
        wants that."""
        course, taken = self.course, self.course.served
        served = self.answers.get(taken.id) if taken is not None else None
        if served is None or taken is None:
            return None
        spent = course.spent_nano_usd
        if spent != served.nano_usd:
            body = taken.render(spent) if taken.render is not None else with_cost(served.body, spent)
            served = msgspec.structs.replace(served, body=body, nano_usd=spent)
        if taken.keep is not None:
            taken.keep(served.body, course.outcome == "ok")
        return served

    def give_up(self) -> ClientConnection:
        """Somebody else takes the request, as it came, and answers it: on the connection that is returned."""
        self.over = True
        return self.reply

    # --- to the caller ------------------------------------------------------------------------

    def comment(self) -> None:
        """A sign of life in a stream that has not begun."""
        if self.over:
            return
        if not self.commented:
            self.commented = True
            self.reply.start(200, SSE_HEAD)
        self.reply.write(COMMENT)

    def _serve(self, served: Served) -> None:
        self.over = True
        reply, error = self.reply, served.error
        self.broken = self.asked.stream and served is self.latest and not self.answered
        if error is not None and self.commented:
            reply.finish(self._failure(error))
        elif error is not None:
            reply.fail(error, self.way.render)
        elif self.commented:
            reply.finish(served.body)
        elif self.asked.stream and served.status == 200:
            reply.start(200, served.headers + self.course.line())
            reply.finish(served.body)
        else:
            reply.send(served.status, served.headers + self.course.line(), served.body)

    def _failure(self, error: TokenworksError) -> bytes:
        told = Telling(self.record.id, self.record.model, self.record.provider, Price("", 0.0, 0.0))
        return pairs.writer(self.way.wire, told).failure(error.message, error.status, error.kind)

    # --- from outside -------------------------------------------------------------------------

    def client_gone(self) -> None:
        """Whoever is being asked is told, and settles."""
        if self.over:
            return
        self.over = True
        if self.draft.over:
            self._left("client_gone", 0)
        else:
            self.draft.leave()

    def shut_down(self) -> None:
        """The server stops: what there is is served, else the caller is told to come again."""
        if self.over:
            return
        error = Unavailable(f"the server was stopped before {self.NOT_YET}", retry_after_s=1)
        exchange, self.draft.exchange = self.draft.exchange, None
        if self.draft.over:
            self._left("shutdown", error.status)
        elif exchange is not None:
            exchange.shut_down()
        served = self._chosen()
        if served is not None:
            self._serve(served)
            return
        self.over = True
        if self.commented:
            self.reply.finish(self._failure(error))
        else:
            self.reply.fail(error, self.way.render)

    def _left(self, outcome: str, status: int) -> None:
        """It ends between two models. Where the next one was to be asked, its record says so."""
        if self.course.closed:
            return
        self.course.advance(answered=self.answered)
        record = self._new_record()
        record.uncached_input_tokens = 0
        record.outcome, record.status = outcome, status
        self.course.settling(record, outcome)
        self.gateway.journal.append(record)

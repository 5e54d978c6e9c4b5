"""A second answer that nobody waits for: was the cheap model's as good as the strong one's?"""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING, cast

from tokenworks.errors import TokenworksError
from tokenworks.gateway.collecting import Collecting
from tokenworks.gateway.course import SHADOW, Course
from tokenworks.gateway.settling import BYTES_PER_TOKEN
from tokenworks.http.server import ClientConnection
from tokenworks.ledger.record import Record
from tokenworks.routing.cascade import Route
from tokenworks.routing.decision import Decision, Step

if TYPE_CHECKING:
    from tokenworks.gateway.caller import Caller
    from tokenworks.gateway.front import Gateway
    from tokenworks.gateway.way import Way
    from tokenworks.wire.pairing import Asked


class Shadow(Collecting):
    """Asks the strong model what a cheap one has answered. Its record is of kind "shadow"."""

    __slots__ = ("asked", "caller", "course", "gateway", "record", "way")

    def __init__(
        self, gateway: Gateway, way: Way, asked: Asked, caller: Caller, record: Record, course: Course
    ) -> None:
        """``record`` and ``course`` are those of the request that was answered."""
        super().__init__(gateway.max_response)
        self.gateway = gateway
        self.way = way
        self.asked = copy.copy(asked)
        self.asked.fields = dict(asked.fields)
        self.caller = caller
        self.record = record
        self.course = course

    def begin(self) -> None:
        """Ask, unless there was nothing to compare with. The key pays for it like for any request."""
        course, served, strong = self.course, self.course.served, self.course.route.strong
        if served is None or course.outcome != "ok" or served.model == strong.model:
            return
        told = course.decision
        story = Decision(
            task=told.task,
            path=SHADOW,
            strong=strong.model,
            why=f"shadow of {served.id}",
            candidates=told.candidates,
            steps=(Step(served.model, served.id, "served"),),
            vector=told.vector,
        )
        route = Route(strong, None, strong, False, strong.right, strong.cost_usd, story.why)
        shadow = Course(story, route, course.prices, course.judges)
        shadow.taken.append(served)
        record = self.gateway.new_record(self.record, self.asked.input_bytes // BYTES_PER_TOKEN)
        record.kind = SHADOW
        reply, started = cast(ClientConnection, self), time.perf_counter_ns()
        self.gateway.shadows.add(self)
        try:
            self.gateway.go(
                self.way, b"", reply, shadow.turn(self.asked), self.caller, record, started, course=shadow
            )
        except TokenworksError as error:
            self.gateway.refuse(error, self.way, reply, record, started)

    def collected(self, status: int, answer: bytes) -> None:
        """What is learnt of it stands in its decision."""
        self.gateway.shadows.discard(self)

"""The front of the gateway: who asks, for what, and which endpoints may serve it."""

from __future__ import annotations

import functools
import itertools
import logging
import secrets
import time
from collections.abc import Mapping, Sequence

from tokenworks.catalog.load import Catalog
from tokenworks.config.settings import Settings
from tokenworks.energy.attribution import Rates
from tokenworks.engines.link import EngineLink
from tokenworks.engines.state import EngineState
from tokenworks.errors import TokenworksError, Unauthorized, Unavailable
from tokenworks.gateway import counting
from tokenworks.gateway.admission import Admission, Hold, UsedUp, Wait
from tokenworks.gateway.attempts import SSE_HEAD
from tokenworks.gateway.auto import NAMES, Auto
from tokenworks.gateway.cache import Entry, ResponseCache, key_of
from tokenworks.gateway.caller import MAX_LABEL, Caller, trace_of
from tokenworks.gateway.capture import Captures
from tokenworks.gateway.capturing import capturing
from tokenworks.gateway.cascading import Cascading, Draft
from tokenworks.gateway.choice import PLANNED, Chooser
from tokenworks.gateway.conversations import Conversations, stores
from tokenworks.gateway.course import SHADOW, Course
from tokenworks.gateway.exchange import Exchange
from tokenworks.gateway.guard import Guard, refused
from tokenworks.gateway.labelling import Labelling
from tokenworks.gateway.overflow import QUEUE, included, overflow
from tokenworks.gateway.parked import Parked
from tokenworks.gateway.pending import Pending
from tokenworks.gateway.queue import Queue
from tokenworks.gateway.settling import BYTES_PER_TOKEN
from tokenworks.gateway.shadow import Shadow
from tokenworks.gateway.states import States
from tokenworks.gateway.way import WAYS, Way
from tokenworks.http.reply import JSON_TYPE
from tokenworks.http.request import Request
from tokenworks.http.server import ClientConnection, Handler
from tokenworks.ledger.inflight import InFlight
from tokenworks.ledger.journal import Journal
from tokenworks.ledger.record import Record
from tokenworks.plans.allowance import Allowance
from tokenworks.plans.block import Block
from tokenworks.plans.book import Book
from tokenworks.plans.keys import Key, KeyBook
from tokenworks.plans.leases import Leases
from tokenworks.plans.subscription import PLAN
from tokenworks.providers.target import Target, Targets
from tokenworks.routing.affinity import Affinity
from tokenworks.routing.health import Health
from tokenworks.routing.wishes import retains_nothing
from tokenworks.schema import Endpoint
from tokenworks.wire import pairs
from tokenworks.wire.pairing import Asked
from tokenworks.wire.peek import Fields, text
from tokenworks.wire.replay import QUIRKS

log = logging.getLogger(__name__)

AFFINITIES = 10_000  # sessions that one worker keeps to their endpoints
NO_KEY = b"keyless"  # no key, said by clients that must send something
_THINKING = frozenset(("thinking", "reasoning_effort"))  # in translation they may raise the limit of output
_LOCAL_HOSTS = (b"127.0.0.1", b"localhost", b"[::1]")


class Gateway:
    """What one worker needs to serve requests; ``handlers`` are those of the hot paths."""

    def __init__(
        self,
        settings: Settings,
        keys: KeyBook,
        book: Book,
        leases: Leases,
        catalog: Catalog,
        targets: Targets,
        engines: EngineLink,
        journal: Journal,
        inflight: InFlight,
        states: States,
        health: Health,
    ) -> None:
        self.loop = targets.pool.loop
        self.sweeper = targets.pool.sweeper
        self.keys = keys
        self.book = book
        self.leases = leases
        self.admission = Admission(leases)
        self.guard = Guard(book)
        self.wait_s = settings.limits.wait_s
        self.catalog = catalog
        self.targets = targets
        self.engines = engines
        self.journal = journal
        self.inflight = inflight
        self.health = health
        self.affinity = Affinity(AFFINITIES, settings.routing.affinity_s)
        self.cache = ResponseCache(settings.server.cache_mib << 20)
        self.conversations = Conversations(states)
        self.chooser = Chooser(
            catalog, targets, health, self.affinity, settings.routing, settings.presets, self.loop.time
        )
        self.settings = settings
        self.max_response = settings.upstream.max_response_mib << 20
        self.retry_within_ns = int(settings.routing.retry_within_s * 1e9)
        self.comment_after_s = settings.server.comment_after_s
        self.hedge_percentile = settings.routing.hedge_percentile
        self.queue: Queue | None = None  # where what a plan has no room for is kept; given by the worker
        self.auto: Auto | None = None  # chooses models for "auto"; given by the worker
        self.rewrites = False  # it looks at requests for named models too
        self.labelling = Labelling(settings.rankings.samples_per_s)
        self.rates: Rates | None = None  # joules of a token; read again and again by the worker
        self.traces = bool(settings.observability.otlp_endpoint)  # records take the caller's trace with them
        self.captures: Captures | None = None  # keeps prompts and answers of those who allow it
        self.shadows: set[Shadow] = set()  # answers under way that nobody waits for
        self.refused: dict[int, int] = {}  # status → requests that got no record, for metrics
        self._local = Key(id="local", name="local", role="member") if settings.server.keyless else None
        self._many_keys = frozenset(targets.keyrings)
        self.clock_offset_ns = 0
        self.set_clock()
        self._vouched: list[int] = []
        self._serial = itertools.count()
        self._tag = secrets.token_hex(6)

    def cut(self) -> None:
        """The server stops: end what no connection waits for."""
        for shadow in list(self.shadows):
            if shadow.exchange is not None:
                shadow.exchange.shut_down()

    def local_only(self, caller: Caller) -> bool:
        """Whether he gave no key, and so may only ask models that run here."""
        return caller.key is self._local

    def choose_by(self, auto: Auto) -> None:
        """Let ``auto`` choose models."""
        self.auto, self.rewrites = auto, auto.rewrites

    def handlers(self, prefixes: Sequence[str] = ("",)) -> Mapping[bytes, Handler]:
        """POST path → handler, for each of ``prefixes``."""
        return {
            f"{prefix}{path}".encode(): functools.partial(self.serve, way)
            for prefix in prefixes
            for path, way in WAYS.items()
        }

    def serve(self, way: Way, request: Request, reply: ClientConnection) -> None:
        """One request that came in on ``way``."""
        started = time.perf_counter_ns()
        head = request.head
        caller: Caller | None = head.memo if head is not None else None
        try:
            if caller is None or not caller.key.active:
                caller = Caller(self._identify(request.headers), request.headers)
                caller.ordinary = not (caller.special or caller.passed_on or caller.key is self._local)
                if self.traces:
                    caller.traceparent = trace_of(request.headers)
                if head is not None:
                    head.memo = caller
            if not self.journal.healthy:
                raise Unavailable("the journal can't be written; is the disk full?", retry_after_s=5)
        except TokenworksError as error:
            self.refused[error.status] = self.refused.get(error.status, 0) + 1
            reply.fail(error, way.render)
            return
        now_us = (started + self.clock_offset_ns) // 1000
        record = Record(
            id=f"gen-{now_us // 1_000_000}-{self._tag}{next(self._serial):x}",
            time_us=now_us,
            key_id=caller.key.id,
            app=caller.app,
            session=caller.session,
            kind=way.kind,
        )
        try:
            asked = way.read(request.body)
            record.requested_model = asked.model[:MAX_LABEL]
            if "@" in asked.model:
                asked = self.chooser.with_preset(asked, way)
                record.requested_model = asked.model[:MAX_LABEL]
            record.stream = asked.stream
            self._label(record, asked.fields)
            record.uncached_input_tokens = asked.input_bytes // BYTES_PER_TOKEN
            if way.speaks:
                labelling = self.labelling
                labelling.since += 1
                if started >= labelling.due_ns:
                    record.labels = labelling.labels(way.wire, asked.fields, started)
            if self.traces:
                record.traceparent = caller.traceparent
            book, key = self.book, caller.key
            # As ``book.of`` says, without a call where nothing has changed.
            allowance: Allowance | None = (
                key.allowance if key.allowance_version == book.version else book.of(key)  # type: ignore[assignment]
            )
            continued = "previous_response_id" in asked.fields and way.wire == pairs.RESPONSES
            if allowance is not None:
                if allowance.private:
                    record.private = True
                if not allowance.easy or now_us >= allowance.checked_until_us or book.stops:
                    self.guard.check(allowance, caller, asked, record, now_us, named=not continued)
            elif book.stops:
                self.guard.check_stopped(asked, record)
            if caller.special and self._cached(way, caller, asked, request, reply, record, started):
                return
            if continued:
                Pending(self, way, request, reply, asked, caller, record, started).begin()
                return
            self.go(way, request.body, reply, asked, caller, record, started)
        except TokenworksError as error:
            self.refuse(error, way, reply, record, started)

    def go(
        self,
        way: Way,
        body: bytes,
        reply: ClientConnection,
        asked: Asked,
        caller: Caller,
        record: Record,
        started: int,
        state: str = PLAN,
        parked: Parked | None = None,
        course: Course | None = None,
    ) -> None:
        """Choose endpoints, reserve what the answer may cost, and begin. Raises what the caller did wrong.

        ``state`` is where it stands with its plan (``plans.subscription``); ``parked``, that it has waited;
        ``course``, that its model was chosen here.
        """
        fields = asked.fields
        key = caller.key
        allowance: Allowance | None = (
            key.allowance if key.allowance_version == self.book.version else self.book.of(key)  # type: ignore[assignment]
        )
        lines: bytes | None = b""
        block = None
        if allowance is not None and (block := allowance.block) is None:
            if parked is None and course is None and (slow_s := self.guard.slowed(allowance, record.time_us)):
                Parked(self, way, body, reply, asked, caller, record, started).slow_down(slow_s)
                return
            state = self.guard.turned(allowance, asked, state, record.time_us)
            lines = self.guard.look(allowance, asked, record)
        if course is None and (asked.model in NAMES or self.rewrites) and self.auto is not None:
            local_only = self.local_only(caller)
            course = self.auto.course(way, asked, caller, record, allowance, local_only=local_only)
            if course is not None:
                if self.auto.shadows(asked, course):
                    course.after = Shadow(self, way, asked, caller, record, course).begin
                if course.checked:
                    Cascading(self, way, body, reply, asked, caller, record, started, course).begin()
                    return
                asked = course.turn(asked)
                fields = asked.fields
                if parked is not None:  # what is reserved is reserved for the model that was chosen
                    parked.asked, parked.course = asked, course
        endpoints: Sequence[Endpoint] = self.catalog.find(asked.model)
        plan = None
        if way.wire == pairs.COUNT and counting.guessed(self, asked, caller, reply, record, started):
            return
        if (
            not caller.ordinary
            or way.planned
            or course is not None
            or self.captures is not None
            or len(endpoints) != 1
            or not PLANNED.isdisjoint(fields)
            or (endpoints[0].quirks and not QUIRKS.isdisjoint(endpoints[0].quirks))
            or (self._many_keys and endpoints[0].provider in self._many_keys)
            or (allowance is not None and allowance.strict and not _THINKING.isdisjoint(fields))
        ):
            local_only = caller.key is self._local
            allows = allowance.allows if allowance is not None and allowance.restricts else None
            plan = self.chooser.plan(asked, way, caller, record, local_only=local_only, allows=allows)
            endpoints = plan.endpoints
            plan.asked_fields = fields
            shadow = record.kind == SHADOW  # nobody gets its answer
            if way.wire == pairs.RESPONSES and not shadow:
                plan.keeps_response = stores(fields)
            if caller.cache_ttl_s and not shadow:
                plan.cache_key = key_of(caller.key.id, way.wire, body)
                plan.collected = [] if record.stream else None
                plan.head_lines = b"x-openrouter-cache-status: MISS\r\n"
            if self.captures is not None:
                capturing(self, self.captures, way, asked, caller, allowance, plan)
            if course is not None:
                plan.course = course
                if not course.checked:
                    plan.head_lines += course.line()
        elif allowance is not None and allowance.restricts and not allowance.allows(endpoints[0]):
            raise refused(allowance, asked.model)
        hold: Hold | Block | None = None
        if allowance is not None:
            subscription = allowance.subscription
            if subscription is not None and plan is not None and state == PLAN:
                endpoints = plan.endpoints = included(subscription, endpoints)
            if block is not None and parked is None and (plan is None or not allowance.strict):
                lines = self.admission.quick(allowance, block, way, asked, record, endpoints)
                hold = block
            if hold is None or lines is None:
                call = parked or Parked(self, way, body, reply, asked, caller, record, started, course)
                hold = self._admit(allowance, call, endpoints, state, lines or b"")
                if hold is None:
                    return
                lines = hold.lines
                if plan is not None and allowance.strict:
                    plan.hedges = False
                    plan.max_output_tokens = hold.max_output_tokens
        exchange = Exchange(self, way, reply, asked, record, endpoints, endpoints[0], started, plan)
        if hold is not None:
            exchange.hold = hold
            exchange.limit_lines = lines or b""
        try:
            exchange.begin()
        except TokenworksError:
            if hold is not None:
                hold.release(record)
            raise

    def _admit(
        self, allowance: Allowance, call: Parked, endpoints: Sequence[Endpoint], state: str, lines: bytes
    ) -> Hold | None:
        """Reserve what the request may cost; None where it waits, or goes another way than its plan's."""
        now_us = (time.perf_counter_ns() + self.clock_offset_ns) // 1000
        stands = self.guard.state(allowance, call.caller, state)
        try:
            return self.admission.admit(
                allowance,
                call.way,
                call.asked,
                call.record,
                endpoints,
                now_us,
                stands,
                lines,
                late=call.late,
                tries=call.tries,
            )
        except Wait as wait:
            call.state = state
            call.wait(wait)
        except UsedUp as used_up:
            queue = self.queue if call.way.wire != pairs.COUNT and call.record.kind != SHADOW else None
            if call.course is not None and call.course.at:
                queue = None  # what was answered so far is better served
            state = overflow(allowance, call.asked, used_up, now_us, queues=queue is not None)
            if state == QUEUE and queue is not None and used_up.account is not None:
                frees_us = used_up.account.frees_us(now_us)
                reply = call.reply
                if isinstance(reply, Draft):  # the whole cascade waits
                    reply = reply.cascading.give_up()
                queue.keep(call.way, call.body, reply, call.caller, call.record, call.started, frees_us)
            else:
                call.state = state
                call.go()
        return None

    def refuse(
        self, error: TokenworksError, way: Way, reply: ClientConnection, record: Record, started: int
    ) -> None:
        """Answer and record a request that got no further than the front."""
        record.uncached_input_tokens = record.cost_nano_usd = 0
        record.outcome = "bad_request" if error.status in (400, 404) else "denied"
        record.status = error.status
        record.latency_us = (time.perf_counter_ns() - started) // 1000
        if isinstance(reply, Draft):
            reply.refused(record, error)
        self.journal.append(record)
        reply.fail(error, way.render)

    def new_record(self, like: Record, input_tokens: int) -> Record:
        """The record of another call for the same caller, which begins now."""
        now_us = (time.perf_counter_ns() + self.clock_offset_ns) // 1000
        return Record(
            id=f"gen-{now_us // 1_000_000}-{self._tag}{next(self._serial):x}",
            time_us=now_us,
            key_id=like.key_id,
            app=like.app,
            session=like.session,
            user=like.user,
            kind=like.kind,
            requested_model=like.requested_model,
            stream=like.stream,
            uncached_input_tokens=input_tokens,
            private=like.private,
            traceparent=like.traceparent,
        )

    # --- the response cache -------------------------------------------------------------------

    def _cached(
        self,
        way: Way,
        caller: Caller,
        asked: Asked,
        request: Request,
        reply: ClientConnection,
        record: Record,
        started: int,
    ) -> bool:
        """Answer from the response cache, if the caller wants that and it can be done."""
        if not caller.cache_ttl_s and not caller.cache_clear:
            return False
        if way.wire == pairs.RESPONSES and stores(asked.fields):
            return False  # a response that can be continued has an id of its own
        key = key_of(caller.key.id, way.wire, request.body)
        if caller.cache_clear:
            self.cache.drop(key)
        now = self.loop.time()
        entry = self.cache.get(key, now) if caller.cache_ttl_s else None
        if entry is None:
            return False
        record.model, record.provider, record.finish_reason = entry.model, "cache", entry.finish
        record.tool_calls = entry.tool_calls
        record.uncached_input_tokens = 0
        record.outcome, record.status = "ok", 200
        record.latency_us = (time.perf_counter_ns() - started) // 1000
        self.journal.append(record)
        self._replay(entry, record, reply, now)
        return True

    def _replay(self, entry: Entry, record: Record, reply: ClientConnection, now: float) -> None:
        body = entry.body.replace(entry.generation.encode(), record.id.encode())
        lines = (
            b"x-generation-id: %b\r\nx-openrouter-cache-status: HIT\r\n"
            b"x-openrouter-cache-age: %d\r\nx-openrouter-cache-ttl: %d\r\n"
        ) % (record.id.encode(), now - entry.stored, entry.expires - now)
        if entry.stream:
            reply.start(200, SSE_HEAD + lines)
            reply.finish(body)
        else:
            reply.send(200, JSON_TYPE + lines, body)

    # --- records that the disk refuses --------------------------------------------------------

    def vouch(self, slot: int, record: Record) -> None:
        """The journal could not be written: keep ``record`` in its in-flight slot until it can."""
        try:
            slot = self.inflight.update(slot, record)
        except OSError:  # no slot to spare: the old one still says that the request was made
            log.error("in-flight slots: no room for record %s", record.id)
        self._vouched.append(slot)

    def retry_journal(self) -> bool:
        """Write what the disk refused; True when nothing waits any more."""
        if not self.journal.retry():
            return False
        for slot in self._vouched:
            self.inflight.release(slot)
        self._vouched.clear()
        return True

    def set_clock(self) -> None:
        """Tie the monotonic clock to the wall clock (again: the wall clock is corrected at times)."""
        self.clock_offset_ns = time.time_ns() - time.perf_counter_ns()

    # --- who, and where -----------------------------------------------------------------------

    def engine_target(self, endpoint: Endpoint, state: EngineState, caller: str) -> Target:
        """Where a ready engine of our own answers what came on the wire ``caller``."""
        if state.url:
            return self.targets.server(endpoint, caller, state.url, state.api_key, state.served_as)
        return self.targets.engine(endpoint, caller, state.port, state.api_key)

    def _identify(self, headers: dict[bytes, bytes]) -> Key:
        """Who sends these headers. Raises Unauthorized."""
        given = headers.get(b"authorization") or headers.get(b"x-api-key") or b""
        token = given[7:].strip() if given[:7].lower() == b"bearer " else given
        if not token or token == NO_KEY:
            if self._local is not None and _same_host(headers):
                return self._local
            raise Unauthorized("no API key; send 'Authorization: Bearer KEY' (tokenworks key create NAME)")
        key = self.keys.check(token)
        if key is None:
            raise Unauthorized(
                "this API key is not known, disabled, expired or revoked; tokenworks key list shows the keys"
            )
        return key

    @staticmethod
    def _label(record: Record, fields: Fields) -> None:
        if "session_id" in fields:
            record.session = (text(fields, "session_id") or "")[:MAX_LABEL] or record.session
        if "user" in fields:
            record.user = (text(fields, "user") or "")[:MAX_LABEL]
        if "provider" in fields and retains_nothing(fields["provider"]):
            record.private = True


def _same_host(headers: dict[bytes, bytes]) -> bool:
    """Not a web page of elsewhere: browsers send Origin, and a rebound name shows in Host."""
    if b"origin" in headers:
        return False
    host = headers.get(b"host", b"")
    return host.rpartition(b":")[0] in _LOCAL_HOSTS or host in _LOCAL_HOSTS

"""The front of the gateway: who asks, for what, and which endpoints may serve it."""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from collections.abc import Sequence

from tokenworks.catalog.load import Catalog
from tokenworks.config.settings import Settings
from tokenworks.engines.link import EngineLink
from tokenworks.engines.manager import EngineState
from tokenworks.errors import TokenworksError, Unauthorized, Unavailable, UnknownModel
from tokenworks.gateway.exchange import BYTES_PER_TOKEN, Exchange
from tokenworks.http.request import Request
from tokenworks.http.server import ClientConnection
from tokenworks.ledger.inflight import InFlight
from tokenworks.ledger.journal import Journal
from tokenworks.ledger.record import Record
from tokenworks.plans.keys import Key, KeyBook
from tokenworks.providers.target import Target, Targets
from tokenworks.routing import order
from tokenworks.schema import Endpoint
from tokenworks.wire.openai_chat.relay import ChatRequest
from tokenworks.wire.peek import text

log = logging.getLogger(__name__)

MAX_LABEL = 200  # characters of an app, session or user name that are kept
_LOCAL_HOSTS = (b"127.0.0.1", b"localhost", b"[::1]")


class Caller:
    """What follows from a request's headers alone, so that the same headers need no second look."""

    __slots__ = ("app", "key", "session")

    def __init__(self, key: Key, app: str, session: str) -> None:
        self.key = key
        self.app = app
        self.session = session


class Gateway:
    """What one worker needs to serve requests; ``chat`` is the handler of the hot path."""

    def __init__(
        self,
        settings: Settings,
        keys: KeyBook,
        catalog: Catalog,
        targets: Targets,
        engines: EngineLink,
        journal: Journal,
        inflight: InFlight,
    ) -> None:
        self.loop = targets.pool.loop
        self.keys = keys
        self.catalog = catalog
        self.targets = targets
        self.engines = engines
        self.journal = journal
        self.inflight = inflight
        self.max_response = settings.upstream.max_response_mib << 20
        self.refused: dict[int, int] = {}  # status → requests that got no record, for metrics
        self._local = Key(id="local", name="local", role="member") if settings.server.keyless else None
        self.clock_offset_ns = 0
        self.set_clock()
        self._vouched: list[int] = []
        self._serial = itertools.count()
        self._tag = secrets.token_hex(6)

    def chat(self, request: Request, reply: ClientConnection) -> None:
        """POST /v1/chat/completions."""
        started = time.perf_counter_ns()
        head = request.head
        caller: Caller | None = head.memo if head is not None else None
        try:
            if caller is None or not caller.key.active:
                caller = self._caller(request.headers)
                if head is not None:
                    head.memo = caller
            if not self.journal.healthy:
                raise Unavailable("the journal can't be written; is the disk full?", retry_after_s=5)
        except TokenworksError as error:
            self.refused[error.status] = self.refused.get(error.status, 0) + 1
            reply.fail(error)
            return
        now_us = (started + self.clock_offset_ns) // 1000
        record = Record(
            id=f"gen-{now_us // 1_000_000}-{self._tag}{next(self._serial):x}",
            time_us=now_us,
            key_id=caller.key.id,
            app=caller.app,
            session=caller.session,
        )
        try:
            chat = ChatRequest(request.body)
            record.requested_model = chat.model[:MAX_LABEL]
            record.stream = chat.stream
            endpoints = self._endpoints(chat, caller.key)
            self._label(record, chat)
            record.uncached_input_tokens = len(chat.fields["messages"]) // BYTES_PER_TOKEN
            Exchange(self, reply, chat, record, endpoints, started).begin()
        except TokenworksError as error:
            record.uncached_input_tokens = 0
            record.outcome = "bad_request" if error.status == 400 else "denied"
            record.status = error.status
            record.latency_us = (time.perf_counter_ns() - started) // 1000
            self.journal.append(record)
            reply.fail(error)

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

    def engine_target(self, endpoint: Endpoint, state: EngineState) -> Target:
        """Where a ready engine of our own answers."""
        return self.targets.at(
            endpoint,
            f"http://127.0.0.1:{state.port}/v1",
            auth="bearer",
            secret=state.api_key,
            allow_private=True,
        )

    def _caller(self, headers: dict[bytes, bytes]) -> Caller:
        """Who sends these headers. Raises Unauthorized."""
        app = headers.get(b"x-openrouter-title") or headers.get(b"x-title") or headers.get(b"http-referer")
        session = headers.get(b"x-session-id")
        return Caller(
            self._identify(headers),
            _label(app) if app is not None else "",
            _label(session) if session is not None else "",
        )

    def _identify(self, headers: dict[bytes, bytes]) -> Key:
        given = headers.get(b"authorization") or headers.get(b"x-api-key")
        if given is None:
            if self._local is not None and _same_host(headers):
                return self._local
            raise Unauthorized("no API key; send 'Authorization: Bearer KEY' (tokenworks key create NAME)")
        token = given[7:].strip() if given[:7].lower() == b"bearer " else given
        key = self.keys.check(token)
        if key is None:
            raise Unauthorized("this API key is not known or was revoked; tokenworks key list shows the keys")
        return key

    def _endpoints(self, chat: ChatRequest, key: Key) -> Sequence[Endpoint]:
        endpoints: Sequence[Endpoint] = self.catalog.find(chat.model)
        if not endpoints:
            near = self.catalog.nearest(chat.model)
            hint = (
                f"; nearest: {', '.join(near)}"
                if near
                else "; no model is set up yet (see docs/configuration.md)"
            )
            raise UnknownModel(f"unknown model '{chat.model[:MAX_LABEL]}'{hint}")
        if "provider" in chat.fields:
            endpoints = order.rank(endpoints, order.read(chat.fields["provider"]))
        if key is self._local:
            endpoints = [e for e in endpoints if e.engine is not None]
            if not endpoints:
                raise Unauthorized(
                    f"no API key; without one only models run here can be asked, not {chat.model[:MAX_LABEL]}"
                )
        return endpoints

    @staticmethod
    def _label(record: Record, chat: ChatRequest) -> None:
        fields = chat.fields
        if "session_id" in fields and not record.session:
            record.session = (text(fields, "session_id") or "")[:MAX_LABEL]
        if "user" in fields:
            record.user = (text(fields, "user") or "")[:MAX_LABEL]


def _label(value: bytes) -> str:
    return value.decode("utf-8", "replace")[:MAX_LABEL]


def _same_host(headers: dict[bytes, bytes]) -> bool:
    """Not a web page of elsewhere: browsers send Origin, and a rebound name shows in Host."""
    if b"origin" in headers:
        return False
    host = headers.get(b"host", b"")
    return host.rpartition(b":")[0] in _LOCAL_HOSTS or host in _LOCAL_HOSTS

"""What an unordinary request wants beyond an answer: several endpoints, wishes, a cache, being told why."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from tokenworks.gateway import metadata
from tokenworks.gateway.cache import Entry
from tokenworks.gateway.failure import OF_THE_KEY, Failure
from tokenworks.ledger.record import Record
from tokenworks.providers.keyring import Keyring
from tokenworks.providers.target import Target
from tokenworks.routing.eligible import Excluded
from tokenworks.routing.replicas import Replica, Replicas
from tokenworks.schema import NANO_USD, Endpoint
from tokenworks.wire.answer import Telling
from tokenworks.wire.conversation import Maker
from tokenworks.wire.peek import Fields

if TYPE_CHECKING:
    from tokenworks.gateway.attempts import Attempts
    from tokenworks.gateway.caller import Caller
    from tokenworks.gateway.course import Course
    from tokenworks.wire.replay import Gleaner

log = logging.getLogger(__name__)

Body = bytes | list[bytes]  # a whole answer, or the pieces of a stream
AffinityKey = tuple[str, str, str]  # key id, model, session


class Plan:
    """Made once for a request, asked by its exchange on the way."""

    __slots__ = (
        "affinity",
        "asked_at",
        "asked_fields",
        "cache_key",
        "cache_ttl_s",
        "capture",
        "collected",
        "course",
        "endpoints",
        "exclude_reasoning",
        "excluded",
        "gleaner",
        "head_lines",
        "hedges",
        "keeps_response",
        "max_output_tokens",
        "models",
        "passed_on",
        "replicas",
        "session",
        "strategy",
        "strict",
        "tells_routing",
        "tried_keys",
    )

    def __init__(self, caller: Caller, endpoints: Sequence[Endpoint], strategy: str) -> None:
        self.endpoints = endpoints
        self.strategy = strategy
        self.excluded: Sequence[Excluded] = ()
        self.models = 1  # how many the caller named
        self.strict = False  # no parameter may be dropped
        self.max_output_tokens: int | None = None  # what is reserved for: translation must not raise it
        self.exclude_reasoning = False
        self.session = ""
        self.affinity: AffinityKey | None = None
        self.replicas: Replicas | None = None  # where its load counts; None where none equals another
        self.asked_at: Replica | None = None  # where it is under way
        self.passed_on = caller.passed_on
        self.tells_routing = caller.tells_routing
        self.cache_key = b""
        self.cache_ttl_s = caller.cache_ttl_s
        self.head_lines = b""  # of the answer
        self.hedges = False
        self.keeps_response = False  # a response that may be continued later
        self.asked_fields: Fields = {}  # for wires whose answers repeat them
        self.tried_keys: set[str] = set()
        self.collected: list[bytes] | None = None  # of a stream that goes into the cache
        self.gleaner: Gleaner | None = None
        self.course: Course | None = None  # its model was chosen here
        self.capture: Callable[[Record, Body], object] | None = None  # may keep what was asked and answered

    # --- for the request ----------------------------------------------------------------------

    def maker(self, target: Target) -> Maker:
        """The maker of ``target``, as strict as the caller wants it, and no freer than his budget."""
        maker = target.maker
        most = self.max_output_tokens
        if most is not None and (maker.max_output_tokens is None or most < maker.max_output_tokens):
            maker = msgspec.structs.replace(maker, max_output_tokens=most)
        return msgspec.structs.replace(maker, strict=True) if self.strict else maker

    def pick_key(self, keyring: Keyring) -> str:
        """The name of the provider's key to use; one that rests if all do."""
        key = keyring.pick(self.session, self.tried_keys) or keyring.pick(self.session, (), resting=True)
        assert key is not None  # a keyring is never empty
        self.tried_keys.add(key.name)
        return key.name

    def another_key(self, keyring: Keyring | None, key: str, failed: Failure) -> bool:
        """Whether the same endpoint is worth asking again with another of its keys."""
        if keyring is not None and failed.kind in OF_THE_KEY and keyring.usable(self.tried_keys):
            return True
        self.tried_keys.clear()  # the next endpoint's provider may call its keys the same
        return False

    def asks(self, endpoint: Endpoint, now: float) -> None:
        """``endpoint`` is asked now, and no other any more."""
        if self.replicas is not None:
            self.leaves(0, now)
            self.asked_at = self.replicas.of(endpoint)
            self.asked_at.under_way += 1

    def leaves(self, tokens: int, now: float) -> None:
        """Nothing is under way any more. ``tokens`` were computed by the one that was asked last."""
        if self.asked_at is not None:
            self.asked_at.left(tokens, now)
            self.asked_at = None

    # --- for the answer -----------------------------------------------------------------------

    def telling(self, exchange: Attempts) -> Telling:
        """What this caller is to be told. How it was routed stands beside the usage of a stream."""
        endpoint, record, price = exchange.endpoint, exchange.record, exchange.endpoint.price
        if self.course is not None and self.course.spent_nano_usd and record.stream:
            # What was asked before it is part of what this answer costs.
            fixed_usd = price.request_usd + self.course.spent_nano_usd / NANO_USD
            price = msgspec.structs.replace(price, request_usd=fixed_usd)
        return Telling(
            record.id,
            endpoint.model,
            endpoint.provider,
            price,
            exchange.wants_usage or self.tells_routing,
            self.exclude_reasoning,
            {metadata.FIELD: metadata.tell(exchange)} if self.tells_routing else {},
            self.asked_fields,
        )

    def passed(self, data: bytes, out: bytes) -> None:
        """A piece of a stream has come, and gone on to the caller."""
        if self.gleaner is not None:
            try:
                self.gleaner.feed(data)
            except ValueError as error:  # good enough to be passed on, not to be read
                self._glean_no_more(error)
        if self.collected is not None:
            self.collected.append(out)

    def answered(self, exchange: Attempts, answer: bytes) -> None:
        """A whole answer is complete."""
        if self.course is not None and self.course.checked:  # it may never be served
            self.course.keeps(exchange.record.id, functools.partial(self._keep_whole, exchange))
        else:
            self._keep_whole(exchange, answer)

    def _keep_whole(self, exchange: Attempts, answer: bytes, good: bool = True) -> None:
        if self.cache_key and good:
            self._cache(exchange, answer, stream=False)
        if self.keeps_response:
            exchange.gateway.conversations.keep_response(exchange.record, self, answer)
        if self.capture is not None:
            self.capture(exchange.record, answer)

    def streamed(self, exchange: Attempts, out: bytes) -> None:
        """A stream is complete; ``out`` is its last piece."""
        if self.course is not None and self.course.checked:
            self.course.keeps(exchange.record.id, functools.partial(self._keep_held_back, exchange))
            return
        if self.collected is not None:
            self.collected[-1:] = [out]  # the last piece, with its proper end
        self._keep_stream(exchange, out)

    def _keep_held_back(self, exchange: Attempts, stream: bytes, good: bool) -> None:
        """All of a stream at once, as it is served."""
        if self.collected is not None:
            self.collected = [stream]
        self._keep_stream(exchange, stream, good)

    def _keep_stream(self, exchange: Attempts, out: bytes, good: bool = True) -> None:
        if self.collected is not None:
            if self.cache_key and good:
                self._cache(exchange, b"".join(self.collected), stream=True)
            if self.capture is not None:
                self.capture(exchange.record, self.collected)
        conversations = exchange.gateway.conversations
        if self.gleaner is not None:
            try:
                conversations.remember(exchange.record, self.gleaner.remembered())
            except ValueError as error:
                self._glean_no_more(error)
        if self.keeps_response:
            conversations.keep_streamed_response(exchange.record, self, out)

    def settled(self, exchange: Attempts) -> None:
        """The answer was good: the session stays where its prompt is cached now."""
        if self.affinity is not None:
            record, gateway, target = exchange.record, exchange.gateway, exchange.target
            cached = record.cache_read_tokens + record.cache_write_tokens
            if len(self.endpoints) > 1 and not record.estimated and target is not None:
                read = record.cache_read_tokens
                total = record.uncached_input_tokens + record.cache_write_tokens + read
                target.vitals.read(total, read, gateway.loop.time())
            gateway.affinity.remember(
                self.affinity,
                exchange.endpoint,
                cached,
                gateway.loop.time(),
            )

    def _glean_no_more(self, error: ValueError) -> None:
        log.warning("the reasoning of a stream can't be remembered: %s", error)
        self.gleaner = None

    def _cache(self, exchange: Attempts, body: bytes, *, stream: bool) -> None:
        record, gateway = exchange.record, exchange.gateway
        gateway.cache.put(
            self.cache_key,
            Entry(
                body,
                stream,
                record.id,
                record.model,
                record.finish_reason,
                gateway.loop.time(),
                self.cache_ttl_s,
                record.tool_calls,
            ),
        )

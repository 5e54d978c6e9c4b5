"""Conversations that go on from request to request: stored responses, and reasoning to be given back."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from tokenworks.errors import BadRequest, NotFound
from tokenworks.gateway.states import States
from tokenworks.ledger.record import Record
from tokenworks.providers.target import Target
from tokenworks.wire import pairs, sse
from tokenworks.wire.passage import word
from tokenworks.wire.peek import MALFORMED, Fields, flag, text
from tokenworks.wire.replay import Recall, Remembered

if TYPE_CHECKING:
    from tokenworks.gateway.attempts import Attempts
    from tokenworks.gateway.plan import Plan

log = logging.getLogger(__name__)

RESPONSE_TTL_S = 30 * 86_400.0
REASONING_TTL_S = 7 * 86_400.0
_MARK = re.compile(rb'"cache_control"\s*:\s*\{[^{}]*\}')
_FINAL = ("response.completed", "response.incomplete")

_encode = msgspec.json.Encoder().encode
_decode_fields = msgspec.json.Decoder(Fields).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_remembered = msgspec.json.Decoder(Remembered).decode


class Stored(msgspec.Struct, frozen=True):
    """A response as it is kept: itself, and all items of its conversation up to and including its own."""

    response: msgspec.Raw
    items: list[msgspec.Raw]
    input_count: int  # of ``items``, the input's; the output's follow


decode_stored = msgspec.json.Decoder(Stored).decode


def scope_of_responses(key_id: str) -> str:
    """Where the responses of one key are kept: no other key can continue or read them."""
    return f"response/{key_id}"


class Conversations:
    """What one worker remembers of conversations, through ``States``."""

    def __init__(self, states: States) -> None:
        self.states = states

    # --- responses that are continued ---------------------------------------------------------

    def continued(self, fields: Fields, key_id: str, then: Callable[[Fields | NotFound], None]) -> None:
        """Call ``then`` with ``fields``, what came before ``previous_response_id`` in front.

        Raises BadRequest where that is no string.
        """
        name = text(fields, "previous_response_id")
        if not name:  # null, as some clients say that there is none
            then(fields)
            return

        def found(body: bytes | None) -> None:
            if body is None:
                then(
                    NotFound(
                        f"no response '{name[:100]}' is kept here for this key; send the whole input instead"
                    )
                )
                return
            items = decode_stored(body).items + input_items(fields["input"])
            then({**fields, "input": msgspec.Raw(_encode(items))})

        # Whoever deletes it may have asked another worker.
        self.states.find(scope_of_responses(key_id), name, found, fresh=True)

    def keep_response(self, record: Record, plan: Plan, response: bytes) -> None:
        """Keep a whole response so that it can be continued and read."""
        try:
            output = _decode_items(_decode_fields(response)["output"])
        except (*MALFORMED, KeyError) as error:  # its caller has it as the provider sent it, and may go on
            log.warning("response %s of %s can't be kept: %s", record.id, record.provider, error)
            return
        given = input_items(plan.asked_fields["input"])
        stored = Stored(msgspec.Raw(response), [*given, *output], len(given))
        self.states.keep(scope_of_responses(record.key_id), record.id, _encode(stored), RESPONSE_TTL_S)

    def keep_streamed_response(self, record: Record, plan: Plan, last: bytes) -> None:
        """Keep the response that the last piece of its stream tells."""
        for event in sse.events(last):
            data = sse.payload(event)
            if data is None or b'"response.' not in data:
                continue
            try:
                fields = _decode_fields(data)
            except MALFORMED:
                continue  # passed on as it came
            if word(fields, "type") in _FINAL and "response" in fields:
                self.keep_response(record, plan, bytes(fields["response"]))

    # --- reasoning that must come back --------------------------------------------------------

    def recall(self, exchange: Attempts, target: Target, then: Callable[[Recall], None]) -> None:
        """Call ``then`` with what is known of the reasoning that the request lacks, at once or later."""
        asked = exchange.asked
        assert asked is not None
        try:
            wanted = target.pair.wanting(asked, target.maker)
        except BadRequest:  # it is raised again where the body is written, and dealt with there
            wanted = []
        if not wanted:
            then({})
            return
        known: dict[str, Remembered] = {}
        missing = len(wanted)

        def found(name: str, body: bytes | None) -> None:
            nonlocal missing
            missing -= 1
            if body is not None:
                known[name] = _decode_remembered(body)
            if not missing:
                then(known)

        scope = _scope_of_reasoning(exchange.record)
        for name in wanted:  # only the last answer can be so young that another worker still writes it
            again = name == wanted[-1]
            self.states.find(scope, name, lambda body, name=name: found(name, body), again=again)  # type: ignore[misc]

    def remember(self, record: Record, told: tuple[list[str], Remembered] | None) -> None:
        """Keep what led to the tool calls of an answer under their names."""
        if told is None:
            return
        body = _encode(told[1])
        for name in told[0]:
            self.states.keep(_scope_of_reasoning(record), name, body, REASONING_TTL_S)

    def remember_whole(self, record: Record, target: Target, body: bytes) -> None:
        """The same, of a whole answer as the provider sent it."""
        try:
            told = pairs.gleaned(target.wire, target.maker, body)
        except ValueError as error:  # good enough to be passed on, not to be read
            log.warning("answer %s of %s can't be remembered: %s", record.id, record.provider, error)
            return
        self.remember(record, told)


def stores(fields: Fields) -> bool:
    """Whether a response is to be kept: unless the caller says no."""
    return "store" not in fields or bytes(fields["store"]) == b"null" or flag(fields, "store")


def input_items(value: msgspec.Raw) -> list[msgspec.Raw]:
    """The items of a response's ``input``, which may be plain text."""
    try:
        return _decode_items(value)
    except MALFORMED:
        message = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": value}]}
        return [msgspec.Raw(_encode(message))]


def first_words(fields: Fields) -> str:
    """What tells a conversation from others where its caller does not: a digest of how it begins.

    That is the first system message and the first other one, which stay the same from turn to turn.
    """
    turns = fields.get("messages", fields.get("input"))
    if turns is None:
        return ""
    digest = hashlib.blake2b(digest_size=12)
    for key in ("system", "instructions"):
        if key in fields:
            digest.update(_unmarked(bytes(fields[key])))
    for turn in input_items(turns):  # a text stands as an item when it comes back
        digest.update(_unmarked(bytes(turn)))
        if not _instructs(turn):
            break
    return digest.hexdigest()


def _unmarked(data: bytes) -> bytes:
    """JSON without the marks for caches, which move on from turn to turn."""
    parts, at = [], 0
    for found in _MARK.finditer(data):
        before = data[at : found.start()].rstrip()
        at = found.end()
        if before.endswith(b","):
            before = before[:-1]
        elif data[at : at + 1] == b",":
            at += 1
        parts.append(before)
    return b"".join((*parts, data[at:]))


def _instructs(turn: msgspec.Raw) -> bool:
    try:
        return word(_decode_fields(turn), "role") in ("system", "developer")
    except MALFORMED:
        return False


def _scope_of_reasoning(record: Record) -> str:
    return f"reasoning/{record.key_id}"

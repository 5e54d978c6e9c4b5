"""Conversations that go on from request to request: stored responses, and reasoning to be given back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from tokenworks.errors import NotFound
from tokenworks.gateway.states import States
from tokenworks.ledger.record import Record
from tokenworks.providers.target import Target
from tokenworks.wire import pairs, sse
from tokenworks.wire.peek import MALFORMED, Fields, flag, text
from tokenworks.wire.replay import Recall, Remembered

if TYPE_CHECKING:
    from tokenworks.gateway.attempts import Attempts
    from tokenworks.gateway.plan import Plan

RESPONSE_TTL_S = 30 * 86_400.0
REASONING_TTL_S = 7 * 86_400.0
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
        """Call ``then`` with ``fields``, what came before ``previous_response_id`` in front."""
        name = text(fields, "previous_response_id") or ""

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

        self.states.find(scope_of_responses(key_id), name, found)

    def keep_response(self, record: Record, plan: Plan, response: bytes) -> None:
        """Keep a whole response so that it can be continued and read."""
        output = _decode_items(_decode_fields(response)["output"])
        given = input_items(plan.asked_fields["input"])
        stored = Stored(msgspec.Raw(response), [*given, *output], len(given))
        self.states.keep(scope_of_responses(record.key_id), record.id, _encode(stored), RESPONSE_TTL_S)

    def keep_streamed_response(self, record: Record, plan: Plan, last: bytes) -> None:
        """Keep the response that the last piece of its stream tells."""
        for event in sse.events(last):
            data = sse.payload(event)
            if data is None or b'"response.' not in data:
                continue
            fields = _decode_fields(data)
            if text(fields, "type") in _FINAL:
                self.keep_response(record, plan, bytes(fields["response"]))

    # --- reasoning that must come back --------------------------------------------------------

    def recall(self, exchange: Attempts, target: Target, then: Callable[[Recall], None]) -> None:
        """Call ``then`` with what is known of the reasoning that the request lacks, at once or later."""
        asked = exchange.asked
        assert asked is not None
        wanted = target.pair.wanting(asked)
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
        for name in wanted:
            self.states.find(scope, name, lambda body, name=name: found(name, body))  # type: ignore[misc]

    def remember(self, record: Record, told: tuple[list[str], Remembered] | None) -> None:
        """Keep what led to the tool calls of an answer under their ids."""
        if told is None:
            return
        body = _encode(told[1])
        for name in told[0]:
            self.states.keep(_scope_of_reasoning(record), name, body, REASONING_TTL_S)

    def remember_whole(self, record: Record, target: Target, body: bytes) -> None:
        """The same, of a whole answer as the provider sent it."""
        self.remember(record, pairs.gleaned(target.wire, target.maker, body))


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


def _scope_of_reasoning(record: Record) -> str:
    return f"reasoning/{record.key_id}"

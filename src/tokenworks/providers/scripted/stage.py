"""Between the connections and the script: what was asked, which rule applies, what is answered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from tokenworks.errors import ConfigError
from tokenworks.providers.scripted.answer import JSON, Answer, failure, make, plain
from tokenworks.providers.scripted.book import Book, Received
from tokenworks.providers.scripted.bulk import Bulk, Said
from tokenworks.providers.scripted.fault import BEFORE_ANSWER, pick
from tokenworks.providers.scripted.frame import encode
from tokenworks.providers.scripted.request import Ask, wire_of
from tokenworks.providers.scripted.rules import Rules, dice
from tokenworks.providers.scripted.script import Script, parse

CONTROL = "/__scripted"

_decode = msgspec.json.Decoder().decode


class Stage:
    """A script being played, and the book about it."""

    def __init__(self, script: Script, book: Book) -> None:
        self.book = book
        self.bulk = Bulk()
        self.rules = Rules(script)

    def play(self, script: Script) -> None:
        """Goes on with another script; its rules count from one."""
        self.rules = Rules(script)

    def reset(self) -> None:
        """Forgets all requests and batches; rules count from one again."""
        self.bulk = Bulk()
        self.book.reset()
        self.rules.reset()

    def enter(
        self, connection: int, method: str, path: str, headers: Iterable[tuple[bytes, bytes]], body: bytes
    ) -> tuple[Answer, Received | None]:
        """The answer to a request that has arrived whole, and its record; None for a control request."""
        if path.startswith(CONTROL):
            return self._control(method, path.partition("?")[0], body), None
        wire = wire_of(method, path)
        book = self.book
        book.arrived += 1
        record = Received(
            number=book.arrived,
            connection=connection,
            method=method,
            path=path,
            headers=_readable(headers),
            raw=body,
            wire=wire,
        )
        answer = self._answer(record)
        book.begin(record)
        return answer, record

    def _answer(self, record: Received) -> Answer:
        script = self.rules.script
        chance = dice(script.seed, record.number)
        if record.wire is None:
            said = self._bulk(record, script)
            if said is not None:
                return plain(said[0], said[1], chance, said[2])
            return failure(404, f"no such path: {record.method} {record.path}", None, chance)
        wire = record.wire
        try:
            body = {} if wire == "models" else _decode(record.raw)
        except msgspec.DecodeError as error:
            return failure(400, f"the body is no JSON: {error}", None, chance)
        if not isinstance(body, dict):
            return failure(400, "the body is no JSON object", None, chance)
        ask = Ask(record.number, wire, record.path, record.headers, body)
        record.model, record.stream = ask.model, ask.stream
        if script.api_key and script.api_key not in _keys(record.headers):
            return failure(401, "wrong API key", ask, chance)
        record.rule, reply = self.rules.choose(ask)
        fault = pick(reply.faults, chance)
        if fault is not None:
            record.fault = fault.kind
        return make(ask, reply, fault, chance, script.models)

    def _bulk(self, record: Received, script: Script) -> Said | None:
        """What is said to a request about batches."""
        if script.api_key and script.api_key not in _keys(record.headers):
            return 401, encode({"error": {"message": "wrong API key"}}), JSON

        def item(path: str, body: dict[str, Any]) -> tuple[int, bytes] | None:
            wire = wire_of("POST", path)
            if wire is None:
                raise ValueError(f"no such path: {path}")
            ask = Ask(record.number, wire, path, record.headers, body)
            chance = dice(script.seed, record.number)
            _, reply = self.rules.choose(ask)
            fault = pick(reply.faults, chance)
            if fault is not None and fault.kind in BEFORE_ANSWER:
                return None
            answer = make(ask, reply, fault, chance, script.models)
            return answer.status, b"".join(frame.data for frame in answer.frames)

        return self.bulk.serve(record.method, record.path, record.raw, item, script.bulk_delay_s)

    def _control(self, method: str, path: str, body: bytes) -> Answer:
        """``/__scripted/…``: reports, reset, another script."""
        asked = (method, path.removeprefix(CONTROL).strip("/"))
        chance = dice(0, 0)
        if asked == ("GET", "requests"):
            return plain(200, encode({"requests": [r.report() for r in self.book.records]}), chance)
        if asked == ("GET", "totals"):
            return plain(200, encode(self.book.totals), chance)
        if method == "DELETE" and asked[1] in ("", "requests", "totals"):
            self.reset()
            return plain(200, b"{}", chance)
        if asked == ("PUT", "script"):
            try:
                self.play(parse(body.decode("utf-8", "replace")))
            except ConfigError as error:
                return failure(400, str(error), None, chance)
            return plain(200, b"{}", chance)
        return failure(404, f"{CONTROL} has: GET requests, GET totals, DELETE, PUT script", None, chance)


def _readable(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    named: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        named[name] = f"{named[name]}, {value}" if name in named else value
    return named


def _keys(headers: dict[str, str]) -> tuple[str, str]:
    return headers.get("authorization", "").removeprefix("Bearer "), headers.get("x-api-key", "")

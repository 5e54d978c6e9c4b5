"""Asks a gateway over HTTP, in the name of a batch's key."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlsplit

import msgspec

from tokenworks.config.settings import UpstreamSettings
from tokenworks.errors import ConfigError, TokenworksError
from tokenworks.http.timers import Sweeper
from tokenworks.http.upstream import Pool, UpstreamConnection
from tokenworks.ledger.batched import BatchRow
from tokenworks.plans import passes

APP = "batch"  # of requests whose batch names none
RENEW_S = passes.LASTS_S / 2
PART = "x-tokenworks-part"  # which part of which batch a request is for


class Answer(msgspec.Struct, frozen=True):
    """What came back, whole."""

    status: int
    body: bytes
    generation_id: str = ""
    retry_after_s: float | None = None
    location: str = ""  # of a request that was kept for later


class NotReached(Exception):
    """No gateway took the request: it was not asked."""


class Lost(Exception):
    """The connection broke, or no answer came: nobody knows whether it was asked."""


class Gateway:
    """One gateway, reached by URL. Use from one loop."""

    def __init__(self, url: str, pepper: bytes, connections: int, answer_s: float) -> None:
        """``pepper``: the gateway's own; passes are signed with it. Raises ``ConfigError`` for no URL."""
        self.url = url
        self._pepper = pepper
        self._passes: dict[str, tuple[str, float]] = {}  # batch → its pass, and when to make another
        address = urlsplit(url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ConfigError(f"{url!r} is no gateway's address; it looks like http://127.0.0.1:8642")
        loop = asyncio.get_running_loop()
        settings = UpstreamSettings(
            first_byte_timeout_s=answer_s, idle_timeout_s=answer_s, max_connections=connections
        )
        self._sweeper = Sweeper(loop)
        self._pool = Pool(loop, settings, self._sweeper)
        tls = address.scheme == "https"
        port = address.port or (443 if tls else 80)
        self._origin = self._pool.origin(address.hostname, port, tls=tls, allow_private=True)
        self._prefix = address.path.rstrip("/")
        self._host = address.netloc.rpartition("@")[2]

    async def ask(self, batch: BatchRow, seq: int, path: str, body: bytes, **more: str) -> Answer:
        """POST ``body`` (JSON) for part ``seq``. ``more``: further headers. Raises NotReached, Lost."""
        further = "".join(f"{name}: {value}\r\n" for name, value in more.items())
        head = (
            f"POST {self._prefix}{path} HTTP/1.1\r\n"
            f"{self._common(batch)}"
            f"content-type: application/json\r\n"
            f"x-session-id: {batch.id}\r\n"
            f"x-title: {app_of(batch)}\r\n"
            f"{PART}: {batch.id}/{seq}\r\n"
            f"{further}content-length: {len(body)}\r\n\r\n"
        )
        return await self._call([head.encode(), body])

    async def drop(self, batch: BatchRow, location: str) -> None:
        """A request that the gateway has kept for later is not to be run. Raises NotReached, Lost."""
        path = urlsplit(location).path
        await self._call([f"DELETE {path} HTTP/1.1\r\n{self._common(batch)}\r\n".encode()])

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()
        self._sweeper.stop()

    def _common(self, batch: BatchRow) -> str:
        return f"host: {self._host}\r\nauthorization: Bearer {self._pass(batch)}\r\n"

    async def _call(self, request: list[bytes]) -> Answer:
        call = _Call()
        self._origin.send(call, request)
        try:
            return await call.answer
        except _Failed as error:
            where = f"{self.url}: {error}"
            raise (Lost(where) if call.upstream is not None else NotReached(where)) from None
        finally:
            call.end()

    def _pass(self, batch: BatchRow) -> str:
        token, renew_at = self._passes.get(batch.id, ("", 0.0))
        if time.monotonic() >= renew_at:
            token = passes.make(self._pepper, batch.key_id, batch.id, time.time_ns() // 1000)
            self._passes[batch.id] = token, time.monotonic() + RENEW_S
        return token


def app_of(batch: BatchRow) -> str:
    """What the batch's metadata calls the application."""
    try:
        named = msgspec.json.decode(batch.metadata).get("app")
    except (msgspec.DecodeError, AttributeError):
        named = None
    is_name = isinstance(named, str) and named.isascii() and named.isprintable() and named.strip()
    return named if is_name else APP


def _seconds(value: bytes) -> float | None:
    try:
        return max(float(value), 0.0) if value else None
    except ValueError:
        return None  # a date: no gateway of ours sends one


class _Failed(Exception):
    """No whole answer came."""


class _Call:
    """One request; see ``http.upstream.Call``."""

    def __init__(self) -> None:
        self.upstream: UpstreamConnection | None = None
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._pieces: list[bytes] = []
        self._head = Answer(0, b"")

    @property
    def abandoned(self) -> bool:
        return self.answer.done()

    def answer_head(self, status: int, connection: UpstreamConnection) -> None:
        header = connection.header
        self._head = Answer(
            status,
            b"",
            header(b"x-generation-id").decode("latin-1"),
            _seconds(header(b"retry-after")),
            header(b"location").decode("latin-1"),
        )

    def answer_data(self, data: bytes, end: bool) -> None:
        self._pieces.append(data)
        if end and not self.answer.done():
            self.answer.set_result(msgspec.structs.replace(self._head, body=b"".join(self._pieces)))

    def call_failed(self, kind: str, detail: str) -> None:
        if not self.answer.done():
            self.answer.set_exception(_Failed(f"{kind}: {detail}" if detail else kind))

    def end(self) -> None:
        """Nobody waits for it any more: the gateway is told, where it had not answered."""
        if self.answer.cancelled() and self.upstream is not None and self.upstream.call is self:
            self.upstream.cancel()


# --- what an answer says


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int | None = 0  # beside input_tokens, where they are not among them
    cache_creation_input_tokens: int | None = 0
    cost: float | None = 0.0


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message = msgspec.field(default_factory=_Message)
    finish_reason: str | None = None


class _Body(msgspec.Struct):
    model: str = ""
    usage: _Usage | None = None


class _Chat(msgspec.Struct):
    model: str = ""
    choices: list[_Choice] = []


_body = msgspec.json.Decoder(_Body)
_chat = msgspec.json.Decoder(_Chat)


class Told(msgspec.Struct, frozen=True):
    """What is counted of an answer."""

    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nano_usd: int = 0


def told(answer: Answer) -> Told:
    """The tokens and the cost that an answer names; zeros where it names none."""
    try:
        found = _body.decode(answer.body)
    except msgspec.DecodeError:
        return Told()
    usage = found.usage or _Usage()
    cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    return Told(
        found.model,
        usage.prompt_tokens or usage.input_tokens + cached,
        usage.completion_tokens or usage.output_tokens,
        round((usage.cost or 0.0) * 1e9),
    )


class Unreadable(TokenworksError):
    """An answer that is none."""

    status = 502


def said(answer: Answer) -> tuple[str, str, str]:
    """Text, finish reason and model of a chat completion. Raises ``Unreadable``."""
    try:
        found = _chat.decode(answer.body)
    except msgspec.DecodeError as error:
        raise Unreadable(f"the answer can't be read: {error}") from None
    if not found.choices:
        raise Unreadable("the answer has no choice")
    choice = found.choices[0]
    return choice.message.content or "", choice.finish_reason or "stop", found.model


class _Error(msgspec.Struct):
    message: str = ""


class _Refusal(msgspec.Struct):
    error: _Error = msgspec.field(default_factory=_Error)


_refusal = msgspec.json.Decoder(_Refusal)


def complaint(answer: Answer) -> str:
    """What an answer that is an error says, in one line."""
    try:
        message = _refusal.decode(answer.body).error.message
    except msgspec.DecodeError:
        message = ""
    return " ".join(message.split())[:300] or f"HTTP {answer.status}"

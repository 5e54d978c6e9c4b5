"""The HTTP side of an engine's process: OpenAI chat over ``xllamacpp.Server``'s own methods.

The library has an HTTP server too, but it goes on generating for a caller that left while others are
served, reports the usage of one choice out of n, and drops connections after 5 idle seconds or 100
requests (measured, docs/engines.md). So requests enter here and wait for a slot, those of batches
behind all others. Each then runs in a thread, which the library calls back for every token, or for every
piece of the prompt; a caller that has gone is noticed at the next of these.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import re
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import msgspec

from tokenworks.config.settings import ServerSettings
from tokenworks.engines.answer import Answer, UsageSum
from tokenworks.engines.turns import Turns
from tokenworks.errors import BadRequest, NotFound, TokenworksError, Unauthorized, Unavailable, render
from tokenworks.http.reply import JSON_TYPE
from tokenworks.http.request import Request
from tokenworks.http.server import ClientConnection, Listener
from tokenworks.http.timers import Sweeper
from tokenworks.wire.peek import Fields, flag, peek, raw

log = logging.getLogger(__name__)

# The gateway in front has checked sizes and closes idle connections itself.
SETTINGS = ServerSettings(keepalive_s=86_400.0, max_body_mib=4096, max_buffered_mib=16_384)
BATCH_HEADER = b"x-tokenworks-batch"  # "1": nobody waits for this answer
MAX_COMPLAINT = 500  # characters of an error of the library that are passed on
# What the library recurses over: 20,000 levels of a schema or a grammar ended its process.
MAX_NESTING = 256
MAX_GRAMMAR = 32 * 1024
# Fields that concern the whole engine, or this door.
OWN_FIELDS = (
    "id_slot",
    "lora",
    "return_progress",
    "stream",
    "stream_options",
    "timings_per_token",
    "verbose",
)
_SSE_HEAD = b"content-type: text/event-stream\r\ncache-control: no-cache\r\n"
_DONE = b"data: [DONE]\n\n"
_TRUE = msgspec.Raw(b"true")
_MARKS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]')

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode
_whole = msgspec.json.Decoder(int).decode


class Runtime(Protocol):
    """What is used of ``xllamacpp.Server``."""

    def handle_chat_completions(self, body: bytes, on_chunk: Callable[[bytes], bool], /) -> None:
        """Blocks until the answer has ended, or ``on_chunk`` has returned True."""

    def handle_metrics(self) -> str:
        """Prometheus text."""


class Door:
    """Answers ``POST /v1/chat/completions``, ``GET /metrics`` and, without a key, ``GET /health``."""

    def __init__(self, runtime: Runtime, api_key: str, slots: int, batch_slots: int) -> None:
        self.runtime = runtime
        self.loop = asyncio.get_running_loop()
        self.threads = ThreadPoolExecutor(slots, "slot")
        self.turns: Turns[Generation] = Turns(slots, batch_slots)
        self._authorization = b"Bearer " + api_key.encode()

    @contextlib.asynccontextmanager
    async def opened(self, host: str = "127.0.0.1") -> AsyncIterator[int]:
        """Listen on a free port of ``host``, which is what is yielded."""
        sweeper = Sweeper(self.loop)
        listener = Listener(SETTINGS, sweeper, {b"/v1/chat/completions": self._chat}, self._other)
        server = await self.loop.create_server(listener, host, 0, backlog=1024)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            listener.cut()
            sweeper.stop()
            self.threads.shutdown(wait=False, cancel_futures=True)

    def _chat(self, request: Request, reply: ClientConnection) -> None:
        try:
            self._authorize(request)
            batch = request.headers.get(BATCH_HEADER) == b"1"
            generation = Generation(self, reply, peek(request.body), batch=batch)
        except (TokenworksError, RecursionError) as error:
            reply.fail(
                error if isinstance(error, TokenworksError) else BadRequest("the body is nested too deeply")
            )
            return
        reply.release_body(request)
        self.turns.join(generation, generation.width, batch=batch)
        self.begin_due()

    def begin_due(self) -> None:
        """Give free slots to those whose turn it is."""
        for generation in self.turns.due():
            self.threads.submit(generation.run)

    def slot_free(self, generation: Generation) -> None:
        """A generation has ended, or has found that its caller is gone."""
        self.turns.done(generation.width, batch=generation.batch)
        self.begin_due()

    def _other(self, request: Request, reply: ClientConnection) -> None:
        path = request.target.partition(b"?")[0]
        if request.method == b"GET" and path == b"/health":
            reply.send(200, JSON_TYPE, b'{"status":"ok"}')
            return
        try:
            self._authorize(request)
            if request.method != b"GET" or path != b"/metrics":
                raise NotFound("here are POST /v1/chat/completions, GET /metrics and GET /health")
        except TokenworksError as error:
            reply.fail(error)
            return
        _Metrics(self, reply)

    def _authorize(self, request: Request) -> None:
        if not hmac.compare_digest(request.headers.get(b"authorization", b""), self._authorization):
            raise Unauthorized("wrong key: this engine answers its own gateway only")


class _Exchange:
    """What the caller does while it waits. A slow reader holds back nothing: an answer is bounded by
    the context length, so at worst some MiB wait in the connection."""

    def __init__(self, reply: ClientConnection) -> None:
        self.reply = reply
        self.gone = False
        reply.exchange = self

    def client_gone(self) -> None:
        self.gone = True

    def client_slow(self) -> None:
        pass

    def client_ready(self) -> None:
        pass

    def shut_down(self) -> None:
        self.gone = True


class _Metrics(_Exchange):
    """Asks the library for its counters, which waits for the batch in hand."""

    def __init__(self, door: Door, reply: ClientConnection) -> None:
        super().__init__(reply)
        asked = door.loop.run_in_executor(None, door.runtime.handle_metrics)
        self.turns = door.turns
        asked.add_done_callback(self._answer)

    def _answer(self, asked: asyncio.Future[str]) -> None:
        error = asked.exception()
        if self.gone:
            return
        if error is not None:
            self.reply.fail(Unavailable(f"the engine can't tell its counters: {error}"))
            return
        text = asked.result() + self.turns.metrics()
        self.reply.send(200, b"content-type: text/plain; version=0.0.4\r\n", text.encode())


class Generation(_Exchange):
    """One chat request, from its place in line to the end of its answer."""

    def __init__(self, door: Door, reply: ClientConnection, fields: Fields, *, batch: bool) -> None:
        """Raises BadRequest for what the library would not survive."""
        _check(fields)
        self.door = door
        self.batch = batch
        self.width = _choices(fields)  # slots that it takes
        self.streamed = flag(fields, "stream")
        self.wants_usage = self.streamed and _wants_usage(fields)
        for name in OWN_FIELDS:
            fields.pop(name, None)
        fields["stream"] = fields["return_progress"] = _TRUE
        fields["stream_options"] = raw({"include_usage": True})
        self.body = _encode(fields)
        self.answer = Answer(logprobs=flag(fields, "logprobs"))
        self.usage = UsageSum()
        self.tail: dict[str, Any] = {}  # the last chunk that carried usage
        self.started = False
        super().__init__(reply)

    # --- in a thread --------------------------------------------------------------------------

    def run(self) -> None:
        """The whole generation, from prompt to last token."""
        call = self.door.loop.call_soon_threadsafe
        try:
            if not self.gone:  # since its turn came
                self.door.runtime.handle_chat_completions(self.body, self._chunk)
        except (ValueError, RuntimeError) as error:  # what the library can't take of a request
            said = str(error).partition(" - hint:")[0]
            call(self._failed, BadRequest(" ".join(said.split())[:MAX_COMPLAINT]))
        except Exception as error:
            log.exception("a generation failed")
            call(self._failed, Unavailable(f"the engine failed on this request: {type(error).__name__}"))
        else:
            call(self._ended)
        finally:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to take a turn
                call(self.door.slot_free, self)

    def _chunk(self, data: bytes) -> bool:
        """True stops the generation."""
        if not self.gone:
            self.door.loop.call_soon_threadsafe(self._take, data)
        return self.gone

    # --- in the loop --------------------------------------------------------------------------

    def client_gone(self) -> None:
        self.gone = True
        if self.door.turns.leave(self):
            self.door.begin_due()  # it may have kept others waiting for more slots than they need

    shut_down = client_gone

    def _take(self, data: bytes) -> None:
        # Inside a JSON text the quotes would be escaped, so what looks like a key here is one.
        if self.gone or b'"prompt_progress":' in data:
            return
        if data.startswith(b'{"error":'):
            self._refused(_decode(data)["error"])
        elif not self.streamed:
            self.answer.add(_decode(data))
        elif b'"usage":{' in data:
            self.tail = _decode(data)
            self.usage.add(self.tail["usage"])
        else:
            self._write(b"data: %b\n\n" % data)

    def _write(self, event: bytes) -> None:
        if not self.started:
            self.started = True
            self.reply.start(200, _SSE_HEAD)
        self.reply.write(event)

    def _ended(self) -> None:
        if self.gone:
            return
        self.gone = True
        if not self.streamed:
            self.reply.send(200, JSON_TYPE, _encode(self.answer.whole()))
            return
        if self.wants_usage and self.tail:
            self._write(b"data: %b\n\n" % _encode({**self.tail, "usage": self.usage.total()}))
        self._write(_DONE)
        self.reply.finish()

    def _refused(self, error: dict[str, Any]) -> None:
        """The library's own complaint, as a chunk."""
        limit = error.get("n_ctx")
        if limit:
            size = error.get("n_prompt_tokens")
            said = f"the prompt has {size} tokens, this engine takes {limit} together with the answer"
            self._failed(BadRequest(f"{said}; shorten it or raise the engine's context_length"))
            return
        said = " ".join(str(error.get("message", "")).split())[:MAX_COMPLAINT]
        code = error.get("code")
        self._failed(BadRequest(said) if isinstance(code, int) and code < 500 else Unavailable(said))

    def _failed(self, error: TokenworksError) -> None:
        if self.gone:
            return
        self.gone = True  # what else comes of this generation is not for the connection's next request
        if self.started:
            self._write(b"data: %b\n\n" % render(error))
            self.reply.finish()
        else:
            self.reply.fail(error)


def _wants_usage(fields: Fields) -> bool:
    options = fields.get("stream_options")
    if options is None or bytes(options) == b"null":
        return False
    try:
        return bool(_decode(options).get("include_usage"))
    except msgspec.DecodeError:
        raise BadRequest("'stream_options' must be an object") from None


def _choices(fields: Fields) -> int:
    """How many answers are asked for at once; what is no such number is for the library to refuse."""
    value = fields.get("n")
    try:
        return int(_whole(value)) if value is not None else 1
    except msgspec.DecodeError:
        return 1


def _check(fields: Fields) -> None:
    for name, value in fields.items():
        data = bytes(value)
        if name == "grammar" and len(data) > MAX_GRAMMAR:
            raise BadRequest(f"'grammar' is longer than {MAX_GRAMMAR} bytes")
        if data.count(b"{") + data.count(b"[") > MAX_NESTING and _depth(data) > MAX_NESTING:
            raise BadRequest(f"'{name}' is nested more than {MAX_NESTING} levels deep")


def _depth(data: bytes) -> int:
    """How deep JSON is nested."""
    depth = most = 0
    for mark in _MARKS.finditer(data):
        if mark[0] in (b"{", b"["):
            depth += 1
            most = max(most, depth)
        elif mark[0] in (b"}", b"]"):
            depth -= 1
    return most

"""The bridge from a connection to an ordinary ASGI application, for everything that is not hot.

The application sees ASGI 3 (HTTP and lifespan). The request body is already whole, one of an upload on disk;
the answer is streamed as the application sends it, waiting when the client is slow.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote

from tokenworks.errors import TokenworksError, openai_body
from tokenworks.http.reply import JSON_TYPE, STATUS_LINES
from tokenworks.http.request import Request
from tokenworks.http.server import ClientConnection

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
App = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]
PIECE = 256 * 1024  # of an upload that is on disk, at once
_FRAMING = (b"content-length", b"transfer-encoding", b"connection")


class AsgiBridge:
    """Runs ``app`` for each request it is given as a handler."""

    def __init__(self, app: App, loop: asyncio.AbstractEventLoop) -> None:
        self.app = app
        self.loop = loop
        self.tasks: set[asyncio.Task[None]] = set()

    def __call__(self, request: Request, reply: ClientConnection) -> None:
        cycle = _Cycle(request, reply)
        reply.exchange = cycle
        task = self.loop.create_task(cycle.run(self.app))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


class _Cycle:
    """One request through the application."""

    def __init__(self, request: Request, reply: ClientConnection) -> None:
        self.request = request
        self.reply = reply
        self.body: bytes | None = request.body
        self.over = asyncio.Event()  # answered, or nobody is there any more
        self.ready = asyncio.Event()
        self.ready.set()
        self.status = 0
        self.head = b""
        self.bodiless = request.method == b"HEAD"
        self.streaming = False
        self.finished = False
        self.gone = False

    def client_gone(self) -> None:
        self.gone = True
        self.over.set()
        self.ready.set()

    def shut_down(self) -> None:
        self.reply.abort()
        self.client_gone()

    def client_slow(self) -> None:
        self.ready.clear()

    def client_ready(self) -> None:
        self.ready.set()

    async def run(self, app: App) -> None:
        try:
            await app(self._scope(), self.receive, self.send)
        except Exception as error:  # the edge of an application: whatever it raised ends this request only
            self._failed(error)
        else:
            if not self.finished and not self.gone:
                log.error("application ended without an answer at %s", self.request.target.decode("latin-1"))
                self.reply.abort()

    def _failed(self, error: Exception) -> None:
        target = self.request.target.decode("latin-1")
        if self.gone:  # mostly it is told so itself by what ``send`` raises
            log.debug("application ended at %s after its client had left: %r", target, error)
            return
        started = self.streaming or self.finished
        if isinstance(error, TokenworksError) and not started:
            self.reply.fail(error)
            return
        log.error("error in the application at %s", target, exc_info=error)
        if not started:
            body = openai_body(500, "internal_error", "internal error; the server's log has the details")
            self.reply.send(500, JSON_TYPE, body)
        elif not self.finished:  # else the connection may serve the next request already
            self.reply.abort()

    def _scope(self) -> MutableMapping[str, Any]:
        path, _, query = self.request.target.partition(b"?")
        host, port = self.reply.listener.settings.host, self.reply.listener.settings.port
        peer = self.reply.transport.get_extra_info("peername") or ("", 0)
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.0" if self.request.http10 else "1.1",
            "method": self.request.method.decode("ascii"),
            "scheme": "http",
            "path": unquote(path.decode("latin-1")),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": list(self.request.headers.items()),
            "client": (str(peer[0]), int(peer[1])),
            "server": (host, port),
        }

    async def receive(self) -> Message:
        if self.request.spool is not None and not self.over.is_set():
            piece = self.request.spool.read(PIECE)
            if not piece:
                self.reply.release_body(self.request)
                self.body = None
            return {"type": "http.request", "body": piece, "more_body": bool(piece)}
        if self.body is not None:
            body, self.body = self.body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self.over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self.gone:
            raise ConnectionResetError("client disconnected")
        if self.finished:
            raise RuntimeError(f"the answer is complete, but the application sent {message['type']}")
        if message["type"] == "http.response.start":
            self._start(message)
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if not more:
            if self.streaming:
                self.reply.finish(body)
            else:
                self.reply.send(self.status, self.head, body)
            self.finished = True
            self.over.set()
        elif not self.bodiless:
            if not self.streaming:
                self.streaming = True
                self.reply.start(self.status, self.head)
            if body:
                self.reply.write(body)
            await self.ready.wait()

    def _start(self, message: Message) -> None:
        self.status = status = message["status"]
        if status not in STATUS_LINES:
            raise ValueError(f"status {status} can't be sent")
        self.bodiless = self.bodiless or status in (204, 304)
        lines = [
            b"%b: %b\r\n" % (name, value)
            for name, value in message.get("headers", ())
            if name.lower() not in _FRAMING
        ]
        self.head = b"".join(lines)
        if self.head.count(b"\n") != len(lines) or self.head.count(b"\r") != len(lines):
            raise ValueError("a header of the answer contains a line break")


class Lifespan:
    """Start-up and shutdown of the application, as the ASGI lifespan protocol has it."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.inbox: asyncio.Queue[Message] = asyncio.Queue()
        self.outbox: asyncio.Queue[Message] = asyncio.Queue()
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises RuntimeError when the application reports a failed start."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self.task = asyncio.ensure_future(self._run(scope))
        await self._exchange("startup")

    async def stop(self) -> None:
        if self.task is not None and not self.task.done():
            await self._exchange("shutdown")
            await self.task

    async def _run(self, scope: dict[str, Any]) -> None:
        await self.app(scope, self.inbox.get, self.outbox.put)

    async def _exchange(self, phase: str) -> None:
        assert self.task is not None
        await self.inbox.put({"type": f"lifespan.{phase}"})
        answer = asyncio.ensure_future(self.outbox.get())
        await asyncio.wait({answer, self.task}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            self.task.result()
            raise RuntimeError(f"the application left the lifespan protocol at {phase}")
        message = answer.result()
        if message["type"] == f"lifespan.{phase}.failed":
            await asyncio.wait({self.task})
            self.task.exception()  # told by the message already
            raise RuntimeError(message.get("message") or f"application {phase} failed")

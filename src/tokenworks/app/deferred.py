"""The applications beside the data plane, made when something first asks for them or a while after the start.

Importing and building them takes a second of a processor, and memory that a worker which only passes requests
on never needs. So a worker serves before that; whoever comes meanwhile waits, in a thread's time and not the
data plane's.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable

from tokenworks.http.asgi import App, Message

AFTER_S = 10.0  # a worker that lives longer makes them unasked, so that nobody has to wait for them
_ALIVE = b'{"status":"ok"}'  # as the application answers


class Deferred:
    """An ASGI application that ``make`` makes, once, in a thread."""

    def __init__(self, make: Callable[[], App], loop: asyncio.AbstractEventLoop) -> None:
        self._make = make
        self._loop = loop
        self._app: App | None = None
        self._making: asyncio.Future[App] | None = None

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        app = self._app
        if app is None and scope["path"] == "/healthz" and scope["method"] in ("GET", "HEAD"):
            await _alive(send)
            return
        await (app or await self.made())(scope, receive, send)

    async def made(self) -> App:
        """The application. Where making it failed, the next one who asks tries again."""
        if self._app is not None:
            return self._app
        if self._making is None:
            self._making = asyncio.ensure_future(asyncio.to_thread(self._make))
            self._making.add_done_callback(self._over)
        return await asyncio.shield(self._making)  # who leaves takes it from nobody else

    def make_soon(self) -> None:
        """Make it ``AFTER_S`` from now unless someone asks before."""
        self._loop.call_later(AFTER_S, lambda: self._loop.create_task(self.made()))

    def _over(self, making: asyncio.Future[App]) -> None:
        self._making = None
        if not making.cancelled() and making.exception() is None:
            self._app = making.result()
            gc.freeze()  # it stays: nothing of it is worth looking through again


async def _alive(send: Callable[[Message], Awaitable[None]]) -> None:
    headers = [(b"content-length", str(len(_ALIVE)).encode()), (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": _ALIVE})

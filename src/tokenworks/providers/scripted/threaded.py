"""A provider in a thread of its own, for tests and programs that are not asynchronous."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import uvloop

from tokenworks.providers.scripted.book import KEEP_RECORDS, Received, Totals
from tokenworks.providers.scripted.provider import POLL_S, ScriptedProvider
from tokenworks.providers.scripted.script import Script

START_TIMEOUT_S = 10.0
T = TypeVar("T")


class ThreadedProvider:
    """What ``running`` yields: a ScriptedProvider whose methods may be called from any thread."""

    def __init__(self, provider: ScriptedProvider) -> None:
        self.provider = provider
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted-provider", daemon=True)
        self._thread.start()

    @property
    def origin(self) -> str:
        """See ScriptedProvider."""
        return self.provider.origin

    @property
    def base_url(self) -> str:
        """See ScriptedProvider."""
        return self.provider.base_url

    @property
    def port(self) -> int:
        """The port it serves on, or did."""
        return self.provider.port

    @property
    def requests(self) -> list[Received]:
        """See ScriptedProvider."""
        return self._call(lambda: self.provider.requests)

    @property
    def open_streams(self) -> int:
        """See ScriptedProvider."""
        return self.provider.open_streams

    def totals(self) -> Totals:
        """See ScriptedProvider."""
        return self._call(self.provider.totals)

    def play(self, script: Script | Path | str | None) -> None:
        """See ScriptedProvider."""
        self._call(lambda: self.provider.play(script))

    def reset(self) -> None:
        """See ScriptedProvider."""
        self._call(self.provider.reset)

    def start(self) -> None:
        """Serves, on the port of the last time if there was one. Raises OSError when it is taken."""
        asyncio.run_coroutine_threadsafe(self.provider.start(), self._loop).result(START_TIMEOUT_S)

    def stop(self) -> None:
        """Stops listening and drops every connection; ``start`` goes on, on the same port."""
        asyncio.run_coroutine_threadsafe(self.provider.stop(), self._loop).result(START_TIMEOUT_S)

    def until(self, condition: Callable[[ThreadedProvider], bool], timeout_s: float = 5.0) -> None:
        """Returns once ``condition(provider)`` holds. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while not condition(self):
            if time.monotonic() > deadline:
                raise TimeoutError(f"still not so after {timeout_s:g} s: {self.totals()}")
            time.sleep(POLL_S)

    def close(self) -> None:
        """Stops for good and ends the thread."""
        try:
            self.stop()
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(START_TIMEOUT_S)
            self._loop.close()

    def _call(self, read: Callable[[], T]) -> T:
        """Runs ``read`` where the provider runs, so that it never sees half a change."""

        async def there() -> T:
            return read()

        return asyncio.run_coroutine_threadsafe(there(), self._loop).result(START_TIMEOUT_S)


@contextmanager
def running(
    script: Script | Path | str | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    ssl: ssl.SSLContext | None = None,
    keep: int = KEEP_RECORDS,
) -> Iterator[ThreadedProvider]:
    """A provider for the length of a ``with`` block, in its own thread. Arguments as ScriptedProvider's."""
    provider = ThreadedProvider(ScriptedProvider(script, host=host, port=port, ssl=ssl, keep=keep))
    try:
        provider.start()
        yield provider
    finally:
        provider.close()

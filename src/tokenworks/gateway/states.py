"""What must be known again at a later request of the same key: kept in memory, and in the store.

Memory serves the worker that kept it at once; the store serves all others, and the time after a
restart. The store is written and read in a thread: no request waits for a write.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tokenworks.errors import StoreError
from tokenworks.ledger.store import Store

log = logging.getLogger(__name__)

MAX_MEMORY = 64 << 20  # bytes of bodies kept in memory by one worker
AGAIN_AFTER_S = 0.2  # another worker may be about to write what is asked for
EXPIRE_EVERY_S = 600.0

Found = Callable[[bytes | None], None]


class States:
    """Bodies by scope and id. Use from the loop's thread."""

    def __init__(self, store: Store, loop: asyncio.AbstractEventLoop, max_memory: int = MAX_MEMORY) -> None:
        self._store = store
        self._loop = loop
        self._max = max_memory
        self._size = 0
        self._memory: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="states")
        self._expire_at = 0.0
        self._closed = False

    def keep(self, scope: str, name: str, body: bytes, ttl_s: float) -> None:
        """Keep ``body`` for ``ttl_s``, from this moment on in this worker and a moment later everywhere."""
        self._remember((scope, name), body)
        now_us = time.time_ns() // 1000
        self._in_thread(self._store.keep_state, scope, name, body, now_us + int(ttl_s * 1e6))
        if self._loop.time() >= self._expire_at:
            self._expire_at = self._loop.time() + EXPIRE_EVERY_S
            self._in_thread(self._store.expire_states, now_us)

    def find(self, scope: str, name: str, then: Found) -> None:
        """Call ``then`` with what was kept, or with None: at once where memory knows, else later."""
        body = self._memory.get((scope, name))
        if body is not None:
            self._memory.move_to_end((scope, name))
            then(body)
            return
        self._look(scope, name, then, again=True)

    def forget(self, scope: str, name: str) -> None:
        """Drop it from memory: it was deleted from the store."""
        body = self._memory.pop((scope, name), None)
        if body is not None:
            self._size -= len(body)

    def close(self) -> None:
        """Write what is under way and end the thread."""
        self._closed = True
        self._thread.shutdown(wait=True)

    def _remember(self, key: tuple[str, str], body: bytes) -> None:
        old = self._memory.pop(key, None)
        self._size += len(body) - (len(old) if old is not None else 0)
        self._memory[key] = body
        while self._size > self._max and self._memory:
            _, dropped = self._memory.popitem(last=False)
            self._size -= len(dropped)

    def _look(self, scope: str, name: str, then: Found, *, again: bool) -> None:
        task = self._thread.submit(self._read, scope, name)

        def told() -> None:
            body = task.result()
            if body is None and again and not self._closed:
                self._loop.call_later(AGAIN_AFTER_S, lambda: self._look(scope, name, then, again=False))
                return
            then(body)

        task.add_done_callback(lambda _: self._loop.call_soon_threadsafe(told))

    def _read(self, scope: str, name: str) -> bytes | None:
        try:
            return self._store.state(scope, name, time.time_ns() // 1000)
        except StoreError as error:
            log.error("states: %s", error)
            return None

    def _in_thread(self, call: Callable[..., object], *args: object) -> None:
        def run() -> None:
            try:
                call(*args)
            except StoreError as error:  # it is still in this worker's memory
                log.error("states: %s", error)

        self._thread.submit(run)

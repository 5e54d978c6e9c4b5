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
EXPIRE_AT_ONCE = 1000

Found = Callable[[bytes | None], None]
Key = tuple[str, str]  # scope and name


class States:
    """Bodies by scope and id. Use from the loop's thread."""

    def __init__(self, store: Store, loop: asyncio.AbstractEventLoop, max_memory: int = MAX_MEMORY) -> None:
        self._store = store
        self._loop = loop
        self._max = max_memory
        self._size = 0
        self._memory: OrderedDict[Key, bytes] = OrderedDict()
        self._unwritten: set[Key] = set()  # what the store did not take (yet)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="states")
        self._expire_at = 0.0
        self._closed = False

    def keep(self, scope: str, name: str, body: bytes, ttl_s: float) -> None:
        """Keep ``body`` for ``ttl_s``, from this moment on in this worker and a moment later everywhere."""
        key = (scope, name)
        self._remember(key, body)
        now_us = time.time_ns() // 1000
        self._in_thread(self._write, key, body, now_us + int(ttl_s * 1e6))
        if self._loop.time() >= self._expire_at:
            self._expire_at = self._loop.time() + EXPIRE_EVERY_S
            self._in_thread(self._expire, now_us)

    def find(self, scope: str, name: str, then: Found, *, again: bool = True, fresh: bool = False) -> None:
        """Call ``then`` with what was kept, or with None: at once where memory knows, else later.

        ``again``: look a second time for what another worker may be about to write. ``fresh``: ask the
        store in any case, for what may have been deleted there.
        """
        key = (scope, name)
        body = self._memory.get(key)
        if body is None:
            self._look(key, then, again=again)
            return
        self._memory.move_to_end(key)
        if fresh and key not in self._unwritten:
            self._look(key, then, deleted=True)
        else:
            then(body)

    def forget(self, scope: str, name: str) -> None:
        """Drop it from memory: it was deleted from the store."""
        self._forget((scope, name))

    def close(self) -> None:
        """Write what is under way and end the thread."""
        self._closed = True
        self._thread.shutdown(wait=True)

    def _remember(self, key: Key, body: bytes) -> None:
        old = self._memory.pop(key, None)
        self._size += len(body) - (len(old) if old is not None else 0)
        self._memory[key] = body
        while self._size > self._max and self._memory:
            self._forget(next(iter(self._memory)))

    def _forget(self, key: Key) -> None:
        self._unwritten.discard(key)
        body = self._memory.pop(key, None)
        if body is not None:
            self._size -= len(body)

    def _look(self, key: Key, then: Found, *, again: bool = False, deleted: bool = False) -> None:
        """Ask the store: what was kept before is there by then, for the thread takes turns.

        ``deleted``: what is not there was there, and must be forgotten here too.
        """
        if self._closed:
            then(None)
            return
        task = self._thread.submit(self._read, key)

        def told() -> None:
            try:
                body = task.result()
            except StoreError as error:
                log.error("states: %s", error)
                then(self._memory.get(key))
                return
            if body is None and again:
                self._loop.call_later(AGAIN_AFTER_S, lambda: self._look(key, then))
                return
            if deleted and body is None:
                self._forget(key)
            elif body is not None and key not in self._memory:
                self._remember(key, body)
            then(body)

        task.add_done_callback(lambda _: self._loop.call_soon_threadsafe(told))

    def _read(self, key: Key) -> bytes | None:
        return self._store.state(*key, time.time_ns() // 1000)

    def _write(self, key: Key, body: bytes, expires_us: int) -> None:
        self._unwritten.add(key)
        self._store.keep_state(*key, body, expires_us)
        self._unwritten.discard(key)

    def _expire(self, now_us: int) -> None:
        """Drop what is too old, some at a time, so that others get their turn in between."""
        if self._store.expire_states(now_us, EXPIRE_AT_ONCE) == EXPIRE_AT_ONCE and not self._closed:
            self._in_thread(self._expire, now_us)

    def _in_thread(self, call: Callable[..., object], *args: object) -> None:
        def run() -> None:
            try:
                call(*args)
            except StoreError as error:  # it is still in this worker's memory
                log.error("states: %s", error)

        self._thread.submit(run)

"""Requests that wait until their plan has room: kept, run when it has, their answers kept for the caller.

The store has them from before the caller is told until a week after their end. A worker claims a few, runs
each as if it had just come in, and writes its answer down. What is cut short by the worker's death is run
again: at least once, never lost. Nothing here is done by the loop that could wait for the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar, cast

from tokenworks.errors import BadRequest, Unauthorized, UpstreamError
from tokenworks.gateway.keeping import Keeping, caller_of
from tokenworks.gateway.rerun import MOST_TRIES, Rerun
from tokenworks.gateway.way import WAYS
from tokenworks.http.head import Head
from tokenworks.http.request import Request
from tokenworks.http.server import ClientConnection
from tokenworks.ledger.queued import QueuedRow
from tokenworks.ledger.record import Record
from tokenworks.ledger.rows import KeyRow
from tokenworks.ledger.store import Store

if TYPE_CHECKING:
    from tokenworks.gateway.caller import Caller
    from tokenworks.gateway.front import Gateway
    from tokenworks.gateway.way import Way

log = logging.getLogger(__name__)

MOST_RUNNING = 4  # at a time in one worker: those who wait for an answer come first
PATIENCE = 20  # rounds of housekeeping in which somebody always waits for a limit; then one is begun anyway
LOOK_AGAIN_S = 600.0  # plans and limits change, and not all that is leased is used
T = TypeVar("T")
Claimed = list[tuple[QueuedRow, KeyRow | None]]


class Queue:
    """One worker's part in it. Use from the loop's thread."""

    def __init__(self, gateway: Gateway, store: Store, holder: str) -> None:
        """``holder`` is the worker's name, under which it claims."""
        self.gateway = gateway
        self.store = store
        self.holder = holder
        self.runs: dict[str, Rerun] = {}  # until the store knows their end
        self.closing = False
        self.idle = asyncio.Event()  # set once it drains and nothing is under way
        self._draining = False
        self._claiming = False
        self._passed = 0  # rounds in which others came first
        self._unsure = False  # a call failed: the store may have given what never was told
        self._late: list[tuple[Rerun, Callable[[], bool]]] = []  # ends that the store did not take
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="queue")

    def keep(
        self,
        way: Way,
        body: bytes,
        reply: ClientConnection | Rerun,
        caller: Caller,
        record: Record,
        started: int,
        frees_us: int,
    ) -> None:
        """The plan has no room for this request before ``frees_us``: keep it, and answer 202.

        One that was kept already goes back.
        """
        if isinstance(reply, Rerun):
            now_us = time.time_ns() // 1000
            reply.put_back((self.next_look_us(frees_us, now_us) - now_us) / 1e6, counted=False)
            return
        Keeping(self, way, body, reply, caller, record, started, frees_us).begin()

    def next_look_us(self, frees_us: int, now_us: int) -> int:
        """When to try what waits for room at ``frees_us``."""
        return min(max(frees_us, now_us + 1_000_000), now_us + int(LOOK_AGAIN_S * 1e6))

    def drop(self, queued_id: str) -> None:
        """Whoever asked for this will not come back for it."""
        self.in_thread(lambda: self.store.cancel(queued_id, time.time_ns() // 1000), self._noted)

    def housekeeping(self) -> None:
        """Twice a second: run what is due, as long as nobody who waits for an answer waits for a limit."""
        late, self._late = self._late, []
        for run, write in late:
            self._write(run, write)
        self._passed += 1
        self._claim()

    def drain(self) -> None:
        """Begin nothing any more; ``idle`` is set once nothing is under way."""
        self._draining = True
        self._tell_idle()

    def close(self) -> None:
        """Cut what is under way, which is run again by another worker, and end the thread."""
        self._draining = self.closing = True
        for run in list(self.runs.values()):
            run.cut()
        self._thread.shutdown(wait=True)

    # --- claims -------------------------------------------------------------------------------

    def _claim(self) -> None:
        gateway = self.gateway
        room = MOST_RUNNING - len(self.runs)
        if self._draining or self._claiming or room <= 0:
            return
        if not gateway.journal.healthy or gateway.leases.down:
            return
        if gateway.leases.waiting:
            if self._passed < PATIENCE:
                return
            room = 1
        self._passed = 0
        self._claiming = True
        but = set(self.runs) if self._unsure else None
        self.in_thread(lambda: self._ask(room, but), self._claimed)

    def _ask(self, room: int, but: Collection[str] | None) -> Claimed:
        if but is not None:
            self.store.release_queue(self.holder, but)
        rows = self.store.claim(self.holder, time.time_ns() // 1000, room)
        return [(row, self.store.key(row.key_id)) for row in rows]

    def _claimed(self, task: Future[Claimed]) -> None:
        self._claiming = False
        if not self._noted(task):
            return
        self._unsure = False
        for row, key in task.result():
            if row.id in self.runs:
                continue  # put back by an answer of the store that never came; how it ended is told again
            run = self.runs[row.id] = Rerun(self, row)
            try:
                self._run(run, row, key)
            except Exception:
                log.exception("queue: %s", row.id)
                run.abort()

    def _run(self, run: Rerun, row: QueuedRow, owner: KeyRow | None) -> None:
        """As if it had just come in, on a connection whose head is known."""
        way = WAYS.get(row.path)
        if way is None:  # of another version
            run.fail(BadRequest(f"{row.path} is not served here any more; send the request again"))
        elif owner is None or not owner.active or owner.expired(time.time_ns() // 1000):
            text = "the key of this request was disabled or revoked, or has expired, since it was queued"
            run.fail(Unauthorized(f"{text}; send it again with another key"), way.render)
        elif row.tries > MOST_TRIES:
            text = f"this request was begun {MOST_TRIES} times and never came to its end"
            run.fail(UpstreamError(f"{text}; see the server's log"), way.render)
        elif (key := self.gateway.keys.named(row.key_id)) is None or self._draining:
            run.put_back(1.0, counted=False)  # made or enabled a moment ago
        else:
            path = row.path.encode()
            head = Head(b"", b"", path, {})
            head.memo = caller_of(row, key)
            run.request = Request(b"POST", path, {}, row.body, head=head)
            self.gateway.serve(way, run.request, cast(ClientConnection, run))

    # --- ends ---------------------------------------------------------------------------------

    def finish(self, run: Rerun, status: int, answer: bytes) -> None:
        """Keep its answer. What was cancelled meanwhile has none."""
        name, store = run.row.id, self.store
        self._write(run, lambda: store.finish(name, self.holder, status, answer, time.time_ns() // 1000))

    def put_back(self, run: Rerun, after_s: float, *, counted: bool) -> None:
        """It waits again."""
        name, until_us = run.row.id, time.time_ns() // 1000 + int(after_s * 1e6)
        self._write(run, lambda: self.store.put_back(name, self.holder, until_us, counted=counted))

    def _write(self, run: Rerun, write: Callable[[], bool]) -> None:
        """Until the store has taken it, it counts as under way: were it claimed anew, it would run twice."""

        def told(task: Future[bool]) -> None:
            if not self._noted(task):
                self._late.append((run, write))
                return
            del self.runs[run.row.id]
            self._tell_idle()
            self._claim()

        run.exchange = run.request = None
        self.in_thread(write, told)

    def _tell_idle(self) -> None:
        if self._draining and not self.runs:
            self.idle.set()

    # --- the store ----------------------------------------------------------------------------

    def in_thread(self, call: Callable[[], T], then: Callable[[Future[T]], object]) -> None:
        """Do ``call`` in the thread, in turn, and ``then`` on the loop."""
        task = self._thread.submit(call)
        loop = self.gateway.loop

        def done(task: Future[T]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know
                loop.call_soon_threadsafe(then, task)

        task.add_done_callback(done)

    def _noted(self, task: Future[T]) -> bool:
        """Whether it was done; that it was not is told once."""
        error = task.exception()
        if error is None:
            return True
        if not self._unsure:
            log.error("queue: %s; going on when the store answers", error)
        self._unsure = True
        return False

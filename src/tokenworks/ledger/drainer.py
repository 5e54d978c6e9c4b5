"""From the workers' journals into the store, exactly once, whatever is killed in between.

A journal's offset is committed together with the records it covers, so work that was cut short is
either done or not. A dead worker's in-flight slots are committed under their file's own identity in
the same way. Files are deleted after that, and only then is their offset forgotten. What a worker had
leased of accounts is free again when nothing of it is left in the folder: by then every charge is counted.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from tokenworks.errors import StoreError
from tokenworks.ledger.claims import Claimed, is_abandoned, listed, sweep
from tokenworks.ledger.gateway_id import known_gateway_id
from tokenworks.ledger.inflight import read_slots
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import Store
from tokenworks.ledger.tail import Tail

log = logging.getLogger(__name__)
RECOVER_EVERY_S = 1.0


class Drainer:
    """Moves records; any number may exist, one works at a time. Methods may be called from any thread.

    A store or disk that fails is reported in the log once when it starts and once when it ends; the
    methods return what they managed, and the next call goes on from there.
    """

    def __init__(
        self, folder: Path, store: Store, on_records: Callable[[Sequence[Record]], None] | None = None
    ) -> None:
        """``on_records`` gets every batch right after it was committed."""
        self._folder, self._store = folder, store
        self._on_records = on_records
        self._tails: dict[int, Tail] = {}  # by inode
        self._one = threading.RLock()
        self._trouble_since = 0.0

    def drain_once(self) -> int:
        """Move everything that is there; returns the number of records moved."""
        moved = 0
        with self._working():
            newest: dict[str, Tail] = {}
            for tail in self._followed():
                moved += tail.drain(self._tell, finished=False)
                older = newest.get(tail.file.worker)
                if older is not None and older.is_finished():  # its worker has gone on to the next file
                    moved += self._finish(older)
                newest[tail.file.worker] = tail
        return moved

    def bury(self, worker: str) -> int:
        """Settle the files of a dead ``worker``; those that a living one holds are left alone.

        Returns the number of requests recorded as killed.
        """
        killed = 0
        with self._working():
            killed = self._bury(worker, listed(self._folder))
            self._release({worker})
        return killed

    def recover(self) -> int:
        """Bury every worker that is no more; returns the number of requests recorded as killed."""
        killed = 0
        with self._working():
            files = listed(self._folder)
            workers = {file.worker for file in files}
            for worker in sorted(workers):
                killed += self._bury(worker, files)
            sweep(self._folder)
            self._release(workers | self._holders())
        return killed

    def run(self, stop: threading.Event, interval_s: float = 0.1) -> None:
        """Drain every ``interval_s`` until ``stop`` is set, and once more then; bury the dead each second."""
        recover_at = 0.0
        while True:
            last = stop.is_set()
            try:
                self.drain_once()
                if time.monotonic() >= recover_at:
                    recover_at = time.monotonic() + RECOVER_EVERY_S
                    self.recover()
            except Exception:
                log.exception("drainer: unexpected; going on")
            if last:
                return
            stop.wait(interval_s)

    def close(self) -> None:
        """Let go of the files. The drainer may be used again."""
        with self._one:
            self._forget(())

    # --- steps --------------------------------------------------------------------------------

    def _bury(self, worker: str, files: Sequence[Claimed]) -> int:
        # The slots' lock is looked at first: once it is free, every journal of that life is complete.
        dead = [f for f in files if f.worker == worker and f.suffix == "inflight" and _is_dead(f.path)]
        for tail in self._followed():
            if tail.file.worker == worker and tail.is_finished():
                self._finish(tail)
        return sum(self._bury_slots(file) for file in dead)

    def _holders(self) -> set[str]:
        """Workers of this folder that hold anything, those too that have no file here any more."""
        gateway = known_gateway_id(self._folder)
        if not gateway:
            return set()
        prefix = f"{gateway}-"
        return {*self._store.lease_holders(prefix), *self._store.queue_holders(prefix)}

    def _release(self, workers: set[str]) -> None:
        """Free what those of ``workers`` had leased that left no file; a living one always has some.

        A worker makes its files before its first lease, so one that holds something and is not listed after
        that is dead, and all that it wrote is in the store.
        """
        there = {file.worker for file in listed(self._folder)}
        for worker in sorted(workers - there):
            released = self._store.release_leases(worker)
            if released:
                log.info("worker %s: %d leases released after its death", worker, released)
            requeued = self._store.release_queue(worker)
            if requeued:
                log.warning("worker %s: %d queued requests are run again after its death", worker, requeued)

    def _finish(self, tail: Tail) -> int:
        """Drain a file that nobody writes to any more, then delete it."""
        moved = tail.drain(self._tell, finished=True)
        tail.finish()
        self._tails.pop(tail.file.inode, None)
        return moved

    def _bury_slots(self, file: Claimed) -> int:
        """Record what ``file`` holds and no journal did, once, then delete it."""
        path = file.path
        try:
            slots = read_slots(path.read_bytes())
        except ValueError as error:
            log.error("%s: %s; kept as .corrupt", path, error)
            path.rename(path.with_name(path.name + ".corrupt"))
            return 0
        if slots.torn:
            log.error("%s: %d slots are unreadable (power loss?); their requests are lost", path, slots.torn)
        name = f"{file.worker}.{file.seq}.{slots.identity}.inflight"
        killed: list[Record] = []
        if self._store.journal_offset(name) == 0:
            killed = _unsettled(slots.open)
            there = self._store.recorded(killed)
            killed = [record for record in killed if record.id not in there]
            if killed:
                self._store.append(name, 1, killed, since=0)
                self._tell(killed)
                log.warning("worker %s: %d requests were cut short by its death", file.worker, len(killed))
        self._store.sync()
        path.unlink()
        self._store.forget_journal(name)
        return len(killed)

    def _tell(self, records: Sequence[Record]) -> None:
        """A listener's fault is its own: the records are committed and will not come again."""
        if self._on_records is not None:
            try:
                self._on_records(records)
            except Exception:
                log.exception("drainer: who was told of %d records failed", len(records))

    # --- files --------------------------------------------------------------------------------

    def _followed(self) -> list[Tail]:
        """A tail for every journal in the folder, each worker's in order of age."""
        files = [file for file in listed(self._folder) if file.suffix == "journal"]
        self._forget({file.inode for file in files})
        tails = []
        for file in files:
            tail = self._tails.get(file.inode)
            if tail is None:
                tail = self._tails[file.inode] = Tail(file, self._store)
            tails.append(tail)
        return tails

    def _forget(self, but: Iterable[int]) -> None:
        for inode in self._tails.keys() - set(but):
            self._tails.pop(inode).close()

    @contextlib.contextmanager
    def _working(self) -> Iterator[None]:
        """One drainer at a time, in all processes; trouble is told once, and when it is over."""
        with self._one:
            try:
                with self._alone():
                    yield
            except (StoreError, OSError) as error:
                self._forget(())  # offsets are read anew from a store that may have changed
                if not self._trouble_since:
                    self._trouble_since = time.monotonic()
                    log.error("drainer: %s; records wait in the journals until this is over", error)
                return
            if self._trouble_since:
                log.warning("drainer: works again after %.1f s", time.monotonic() - self._trouble_since)
                self._trouble_since = 0.0

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self._folder / "drainer.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


def _is_dead(path: Path) -> bool:
    fd = os.open(path, os.O_RDONLY)
    try:
        return is_abandoned(fd)
    finally:
        os.close(fd)


def _unsettled(slots: Sequence[tuple[Record, int]]) -> list[Record]:
    """The record of each id in ``slots``, as killed unless it is final already."""
    chosen: dict[str, Record] = {}
    for record, events in slots:
        if not record.outcome:
            record.outcome, record.status, record.estimated = "killed", 0, True
            record.output_tokens = max(record.output_tokens, min(events, 10**12))
        earlier = chosen.get(record.id)  # a slot that was being replaced at the moment of death
        if earlier is None or earlier.outcome == "killed":
            chosen[record.id] = record
    return list(chosen.values())

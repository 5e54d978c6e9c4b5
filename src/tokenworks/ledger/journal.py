"""A worker's append-only file of finished requests: one ``write(2)`` each, nothing ever lost.

What survives: a killed process loses nothing that ``append`` returned from, whatever ``fsync`` is. Power
loss can take what was not flushed: up to about a second with "interval", nothing with "always".
While the disk refuses (full, over quota, broken) records wait in memory and ``healthy`` is False.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from pathlib import Path
from typing import Literal
from zlib import crc32

from tokenworks.ledger.claims import claim
from tokenworks.ledger.frames import FRAME, HEADER_BYTES, header
from tokenworks.ledger.record import ENCODE_ERRORS, ENCODER, MAX_PAYLOAD, Record, encode

Fsync = Literal["never", "interval", "always"]

log = logging.getLogger(__name__)
MAX_BYTES = 64 * 1024 * 1024
SYNC_EVERY_S = 1.0
_CLOSE_WAIT_S = 5.0

_encode, _pack, _write = ENCODER.encode, FRAME.pack, os.write


class Journal:
    """Use from one thread. ``healthy`` turns False when the disk refuses; then call ``retry``."""

    def __init__(
        self, folder: Path, worker: str, *, fsync: Fsync = "interval", max_bytes: int = MAX_BYTES
    ) -> None:
        """Raises ``OSError`` when the file can't be made, ``ValueError`` for a name that is no file name."""
        self.healthy = True
        self._folder, self._worker, self._fsync, self._max_bytes = folder, worker, fsync, max_bytes
        self._always = fsync == "always"
        self._pending: deque[bytes] = deque()
        self._sync_failed = False
        self._closed = False
        self._fd, self._size = self._fresh()
        self._rotate_at = max_bytes
        self._syncer = _Syncer(self) if fsync == "interval" else None

    @property
    def pending(self) -> int:
        """Records that the disk has refused so far."""
        return len(self._pending)

    def append(self, record: Record) -> None:
        """Write ``record``, or keep it and turn unhealthy. Never raises for the disk or the record's content,
        only ``ValueError`` after ``close``."""
        try:
            payload = _encode(record)
            if len(payload) > MAX_PAYLOAD:
                payload = encode(record)
        except ENCODE_ERRORS:
            payload = encode(record)
        frame = _pack(len(payload), crc32(payload)) + payload
        if not self.healthy:
            if self._closed:
                raise ValueError("the journal is closed")
            self._pending.append(frame)
            return
        try:
            written = _write(self._fd, frame)
        except OSError as error:
            self._refused(frame, str(error))
            return
        if written != len(frame):
            self._refused(frame, f"only {written} of {len(frame)} bytes were written")
            return
        self._size = size = self._size + written
        if self._always:
            self._sync_now()
        if size >= self._rotate_at:
            self._rotate()

    def retry(self) -> bool:
        """Write what is pending, in order. True when nothing is left and the journal is healthy again."""
        if self.healthy:
            return True
        if self._closed:
            return False
        try:
            if self._sync_failed:
                # What a failed fsync left in the cache is unknown; new records go to a new file.
                self._move_on()
            else:
                os.ftruncate(self._fd, self._size)
            while self._pending:
                frame = self._pending[0]
                written = _write(self._fd, frame)
                if written != len(frame):
                    os.ftruncate(self._fd, self._size)
                    return False
                self._size += written
                self._pending.popleft()
            if self._always:
                os.fdatasync(self._fd)
        except OSError:
            return False
        self.healthy = not self._sync_failed  # the flushing thread may have met trouble meanwhile
        return self.healthy

    def close(self) -> None:
        """Write and flush what can be, then let the drainer have the file."""
        if self._closed:
            return
        if not self.retry():
            log.critical(
                "journal of %s: %d records could not be written and are lost with this process",
                self._worker,
                len(self._pending),
            )
        self._closed, self.healthy = True, False
        if self._syncer is not None:
            self._syncer.stop()
            return  # it flushes and closes
        try:
            if self._always:
                os.fdatasync(self._fd)
        finally:
            os.close(self._fd)

    def _fresh(self) -> tuple[int, int]:
        made = claim(
            self._folder,
            self._worker,
            "journal",
            header(os.urandom(16)),
            flags=os.O_APPEND,
            durable=self._fsync != "never",
        )
        return made.fd, HEADER_BYTES

    def _refused(self, frame: bytes, why: str) -> None:
        """Keep ``frame`` for later and cut off whatever part of it reached the file."""
        self._pending.append(frame)
        self.healthy = False
        log.error("journal of %s: %s; records are kept in memory until it can be written", self._worker, why)
        try:
            os.ftruncate(self._fd, self._size)
        except OSError as error:  # retry() truncates again before it writes
            log.error("journal of %s: %s", self._worker, error)

    def _sync_now(self) -> None:
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            self._unsynced(error)

    def _unsynced(self, error: OSError) -> None:
        """The record is in the file but may not survive power loss: stop taking work until a file can."""
        self._sync_failed = True
        self.healthy = False
        log.error("journal of %s: fsync: %s", self._worker, error)

    def _rotate(self) -> None:
        try:
            self._move_on()
        except OSError as error:
            # The old file still takes records: carry on and try again some way further.
            self._rotate_at = self._size + max(self._max_bytes // 16, 1)
            log.error("journal of %s: no new file: %s; the old one goes on", self._worker, error)

    def _move_on(self) -> None:
        """From the current file to a new one; the old one's lock goes when it is closed."""
        old = self._fd
        self._fd, self._size = self._fresh()
        self._rotate_at = self._max_bytes
        self._sync_failed = False
        if self._syncer is not None:
            self._syncer.retired.append(old)
        else:
            os.close(old)


class _Syncer:
    """Flushes the journal's file about each second, in a thread, so that no request waits for the disk.

    It alone closes files, so it never flushes a number that has come to mean another file.
    """

    def __init__(self, journal: Journal) -> None:
        self.retired: deque[int] = deque()
        self._journal = journal
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-sync", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Flush and close everything; gives up waiting for a hanging disk, not flushing."""
        self._stop.set()
        self._thread.join(_CLOSE_WAIT_S)

    def _run(self) -> None:
        journal = self._journal
        synced = (-1, 0)
        while not self._stop.wait(SYNC_EVERY_S):
            state = (journal._fd, journal._size)
            if state != synced and self._sync(state[0]):
                synced = state
            self._close_retired()
        self._close_retired()
        self._sync(journal._fd)
        os.close(journal._fd)

    def _close_retired(self) -> None:
        while self.retired:
            fd = self.retired.popleft()
            self._sync(fd)
            os.close(fd)

    def _sync(self, fd: int) -> bool:
        try:
            os.fdatasync(fd)
        except OSError as error:
            self._journal._unsynced(error)
            return False
        return True

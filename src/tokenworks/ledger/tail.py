"""Reading one journal file from where the store says it was left."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence

from tokenworks.errors import StoreError
from tokenworks.ledger.claims import Claimed, is_abandoned, sync_folder
from tokenworks.ledger.frames import HEADER_BYTES, identity, resume, scan
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import Store

log = logging.getLogger(__name__)
READ_BYTES = 4 * 1024 * 1024  # about 20,000 records, one transaction: the more, the less each costs
_PATIENCE_S = 1.0  # a frame of a living worker may look wrong while it is being replaced


class Tail:
    """A journal file being followed. Holds it open, so its inode number can't come to mean another."""

    def __init__(self, file: Claimed, store: Store) -> None:
        """Raises ``OSError`` when the file can't be opened, ``StoreError`` when the store can't tell."""
        self.file = file
        self.name = ""  # of the journal in the store; empty: the header is unreadable
        self._store = store
        self._offset = 0
        self._wrong_since: tuple[int, float] | None = None
        self.fd = os.open(file.path, os.O_RDONLY)
        try:
            known = identity(os.pread(self.fd, HEADER_BYTES, 0))
            if known is not None:
                self.name = f"{file.worker}.{file.seq}.{known}"
                self._offset = max(store.journal_offset(self.name), HEADER_BYTES)
        except BaseException:
            os.close(self.fd)
            raise

    def drain(self, on_records: Callable[[Sequence[Record]], None], *, finished: bool) -> int:
        """Move what is there into the store; returns the number of records moved.

        ``finished``: nobody writes to the file any more, so what is not whole now never will be.
        """
        moved = 0
        while self.name:
            data = os.pread(self.fd, READ_BYTES, self._offset)
            if not data:
                break
            records, end, corrupt = scan(data)
            if records:
                self._commit(self._offset + end, records)
                moved += len(records)
                on_records(records)
            elif corrupt or (finished and len(data) < READ_BYTES):
                if not self._skip(finished, corrupt):
                    break
            elif len(data) < READ_BYTES:
                break
        return moved

    def finish(self) -> None:
        """Delete the drained file of a dead owner. Its rows are made durable first."""
        path = self.file.path
        if self.name:
            self._store.sync()
            path.unlink()
            self.close()
            self._store.forget_journal(self.name)
        else:
            log.error("%s: not a journal of a version this program knows; kept as .corrupt", path)
            path.rename(path.with_name(path.name + ".corrupt"))
            self.close()

    def is_finished(self) -> bool:
        """Whether its owner has closed it or is dead."""
        return is_abandoned(self.fd)

    def close(self) -> None:
        """Stop following."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _commit(self, offset: int, records: Sequence[Record]) -> None:
        since = 0 if self._offset == HEADER_BYTES else self._offset
        self._store.append(self.name, offset, records, since=since)
        self._offset = offset

    def _skip(self, finished: bool, corrupt: bool) -> bool:
        """Get past bytes that are no frame, keeping a copy of them. False when there is nothing after them.

        In a finished file an unfinished frame at the very end is an append that death cut short.
        """
        if not finished and not self._patience_is_over():
            return False
        size = os.fstat(self.fd).st_size
        rest = os.pread(self.fd, size - self._offset, self._offset)
        found = resume(rest, 0)
        if found < 0 and not corrupt:
            log.warning(
                "%s: the last %d bytes are an unfinished write; its request counts as killed",
                self.file.path,
                len(rest),
            )
            return False
        if found < 0 and not finished:
            return False  # more may come
        length = len(rest) if found < 0 else found
        self._quarantine(rest[:length])
        self._commit(self._offset + length, [])
        return True

    def _patience_is_over(self) -> bool:
        now = time.monotonic()
        if self._wrong_since is None or self._wrong_since[0] != self._offset:
            self._wrong_since = (self._offset, now)
        return now - self._wrong_since[1] >= _PATIENCE_S

    def _quarantine(self, data: bytes) -> None:
        """Copy ``data`` beside the journal, durably, before the offset moves past it."""
        path = self.file.path
        copy = path.with_name(f"{path.name}.{self._offset}.corrupt")
        log.error(
            "%s: %d bytes at offset %d are no record (disk fault or power loss); kept in %s, reading on",
            path,
            len(data),
            self._offset,
            copy.name,
        )
        try:
            with copy.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            sync_folder(path.parent)
        except OSError as error:
            raise StoreError(f"{copy}: {error}") from error

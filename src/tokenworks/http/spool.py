"""Bodies of uploads, which may be larger than memory: they wait in a file without a name.

The file is gone with the process, however that ends.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import IO

from tokenworks.errors import StoreError, TooLarge, Unavailable

SMALL_UPLOAD = 1 << 20  # bytes; what is told to be no longer is held in memory as any other body
MAX_MIB = 512
MAX_TOTAL_MIB = 4096


class Spools:
    """Which requests may bring so much, where it goes, and how much there is of it at present.

    ``admits`` judges by the headers, before anything is written: disks are not for everybody to fill.
    """

    def __init__(
        self,
        folder: Path,
        targets: Collection[bytes],
        admits: Callable[[dict[bytes, bytes]], bool],
        *,
        max_mib: int = MAX_MIB,
        max_total_mib: int = MAX_TOTAL_MIB,
    ) -> None:
        self.folder = folder
        self.targets = frozenset(targets)
        self.admits = admits
        self.max_mib = max_mib
        self.max_size = max_mib << 20
        self.max_total = max_total_mib << 20
        self.total = 0  # bytes in all files that are open

    def open(self, target: bytes, headers: dict[bytes, bytes]) -> Spool | None:
        """Where the body of a POST to ``target`` goes; None: it is a body like others.

        Raises TooLarge where its length is told and too much, StoreError where no file can be made.
        """
        if target.partition(b"?")[0] not in self.targets:
            return None
        length = headers.get(b"content-length")
        if (length is not None and int(length) <= SMALL_UPLOAD) or not self.admits(headers):
            return None
        if length is not None and int(length) > self.max_size:
            raise self.too_large()
        try:
            return Spool(self, tempfile.TemporaryFile(dir=self.folder))
        except OSError as error:
            raise StoreError(f"no file for the upload: {error.strerror}; look after {self.folder}") from None

    def too_large(self) -> TooLarge:
        """The refusal of one upload."""
        return TooLarge(f"uploads are limited to {self.max_mib} MiB; send several smaller ones")


class Spool:
    """One body, written while it arrives and read from its beginning once it is whole."""

    def __init__(self, spools: Spools, file: IO[bytes]) -> None:
        self._spools = spools
        self._file = file
        self._reading = False
        self.size = 0
        self.silent = 0  # bytes read since the last one of the body: of its coding

    def write(self, parts: list[bytes]) -> None:
        """Takes all of ``parts`` out of the list. Raises TooLarge, Unavailable or StoreError."""
        size = sum(map(len, parts))
        self.size += size
        self._spools.total += size
        if self.size > self._spools.max_size:
            raise self._spools.too_large()
        if self._spools.total > self._spools.max_total:
            raise Unavailable("too many uploads at once; try again shortly", retry_after_s=5)
        try:
            self._file.writelines(parts)
            parts.clear()
        except OSError as error:
            raise StoreError(f"the upload can't be kept: {error.strerror}; make room on the disk") from None

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes at most; none at the end. Raises StoreError."""
        try:
            if not self._reading:
                self._reading = True
                self._file.seek(0)  # also writes what is still buffered
            return self._file.read(size)
        except OSError as error:
            raise StoreError(f"the upload can't be read again: {error.strerror}; see to the disk") from None

    def close(self) -> None:
        """Forget it (idempotent)."""
        self._spools.total -= self.size
        self.size = 0
        try:
            self._file.close()
        except OSError:  # what was still buffered finds no room: nobody will read it
            self._file.close()

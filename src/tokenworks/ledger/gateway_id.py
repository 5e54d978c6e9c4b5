"""The name of a journal folder for good, so that those who write in it are known wherever they are named.

Workers are called after it. Whatever a store of many gateways keeps for a worker tells whose it was.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from pathlib import Path

from tokenworks.errors import ConfigError
from tokenworks.ledger.claims import sync_folder

_FILE = "gateway.id"
_ID = re.compile(rb"([0-9a-f]{8})\n")


def gateway_id(folder: Path) -> str:
    """8 hex digits, the same each time for this folder, made the first time and kept on the disk.

    Raises ``OSError`` when the disk refuses and ``ConfigError`` when the file holds something else.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / _FILE
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)  # two that start at once agree
        if not os.pread(fd, 64, 0).strip(b"\0"):  # new, or power was lost before it was on the disk
            os.pwrite(fd, secrets.token_hex(4).encode() + b"\n", 0)
            # Leases outlive a power loss, so their holder's name must be on the disk before it is used.
            os.fsync(fd)
            sync_folder(folder)
    finally:
        os.close(fd)
    found = known_gateway_id(folder)
    if found is None:
        raise ConfigError(f"{path} is damaged: put the 8 hex digits of this gateway into it, or delete it")
    return found


def known_gateway_id(folder: Path) -> str | None:
    """The same, None where none was made or what is there is damaged. Makes nothing."""
    try:
        match = _ID.fullmatch((folder / _FILE).read_bytes())
    except FileNotFoundError:
        return None
    return match.group(1).decode() if match else None

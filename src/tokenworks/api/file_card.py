"""A file as the API shows it, and what its name may be."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import quote

from tokenworks.api.answer import INTEGER, STRING, holding, maybe
from tokenworks.errors import BadRequest
from tokenworks.ledger.batched import FileRow
from tokenworks.ledger.rollups import DAY_US

BATCH, USER_DATA = "batch", "user_data"
PURPOSES = (BATCH, USER_DATA)  # of uploads
MAX_NAME = 255  # bytes, as file systems have it
KEPT_US = 30 * DAY_US  # files whose lines are requests, where nobody says how long
MIN_EXPIRES_S, MAX_EXPIRES_S = 3600, 30 * 86_400
FILE = holding(
    id=STRING,
    object=STRING,
    bytes=INTEGER,
    created_at=INTEGER,
    filename=STRING,
    purpose=STRING,
    status=STRING,
    expires_at=maybe(INTEGER),
)


def card(row: FileRow) -> dict[str, Any]:
    """What is told of a file."""
    return {
        "id": row.id,
        "object": "file",
        "bytes": row.bytes,
        "created_at": row.created_us // 1_000_000,
        "expires_at": None if row.expires_us is None else row.expires_us // 1_000_000,
        "filename": row.name,
        "purpose": row.purpose,
        "status": "processed" if row.done else "uploaded",
        "status_details": None,
    }


def new_file(
    key_id: str, name: str, purpose: str, now_us: int, expires_s: int | None = None, *, size: int = 0
) -> FileRow:
    """A file to begin. Without ``expires_s`` one of requests is kept for 30 days, others for ever."""
    expires_us = now_us + expires_s * 1_000_000 if expires_s is not None else None
    if expires_us is None and purpose == BATCH:
        expires_us = now_us + KEPT_US
    return FileRow(f"file-{secrets.token_hex(12)}", key_id, name, purpose, size, now_us, expires_us)


def file_name(given: str) -> str:
    """The last part of a path that a client may have sent, without what can't be shown."""
    name = given.replace("\\", "/").rpartition("/")[2]
    name = "".join(char for char in name if char.isprintable()).strip()
    if name.strip(".") == "":
        return "file"
    stem, dot, suffix = name.rpartition(".")
    end = (dot + suffix).encode()
    if not stem or len(name.encode()) <= MAX_NAME or len(end) >= MAX_NAME // 2:
        return name.encode()[:MAX_NAME].decode("utf-8", "ignore")
    return (stem.encode()[: MAX_NAME - len(end)]).decode("utf-8", "ignore") + end.decode()


def expires_seconds(seconds: int) -> int:
    """``seconds`` if a file may be kept for so long. Raises BadRequest."""
    if not MIN_EXPIRES_S <= seconds <= MAX_EXPIRES_S:
        raise BadRequest(f"seconds after which a file expires are {MIN_EXPIRES_S} to {MAX_EXPIRES_S}")
    return seconds


def attachment(name: str) -> str:
    """A content-disposition with which no browser shows a file, whatever it is called."""
    plain = "".join(char if (char.isascii() and char.isalnum()) or char in "-_. " else "_" for char in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"

"""What the data plane knows of the API beside it: where it is reached, and whose uploads may wait on disk."""

from __future__ import annotations

from pathlib import Path

from tokenworks.http.spool import Spools
from tokenworks.plans.keys import KeyBook

PREFIXES = ("", "/api")


def spools(folder: Path, keys: KeyBook) -> Spools:
    """Uploads of those who have a key wait in ``folder``; all other bodies are held in memory."""

    def admits(headers: dict[bytes, bytes]) -> bool:
        given = headers.get(b"authorization") or headers.get(b"x-api-key") or b""
        token = given[7:].strip() if given[:7].lower() == b"bearer " else given
        return bool(token) and keys.check(token) is not None

    return Spools(folder, [f"{prefix}/v1/files".encode() for prefix in PREFIXES], admits)

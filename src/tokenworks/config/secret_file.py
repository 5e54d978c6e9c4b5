"""Files that hold a secret: readable by their owner alone, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from tokenworks.errors import ConfigError


def read(file: Path) -> bytes | None:
    """What ``file`` holds, None where there is none. Raises ``ConfigError`` where others may read it too."""
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            content = opened.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{file}: can't be read: {error.strerror}") from None
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"{file}: others may read it; run: chmod 600 {file}")
    return content


def make(file: Path, content: bytes) -> None:
    """Write ``file`` with mode 0600; one that is there stays as it is. Raises ``OSError``."""
    handle, part = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")  # 0600 from the start
    try:
        with os.fdopen(handle, "wb") as written:
            written.write(content)
            written.flush()
            os.fsync(written.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(part, file)
    finally:
        Path(part).unlink()

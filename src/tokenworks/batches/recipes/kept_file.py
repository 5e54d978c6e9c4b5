"""Files that a recipe makes: whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

UNDER_WAY = ".part"


@contextlib.contextmanager
def made(file: Path) -> Iterator[IO[bytes]]:
    """Write into this; ``file`` stands there once all of it is on the disk. A link at its place is replaced.

    Raises ``OSError`` where the disk is full or the folder can't be written; then nothing is left.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    under_way = file.with_name(file.name + UNDER_WAY)
    under_way.unlink(missing_ok=True)  # of a run that died; never followed where it is a link
    try:
        with under_way.open("xb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        under_way.replace(file)
    except BaseException:
        under_way.unlink(missing_ok=True)
        raise


def write(file: Path, text: str) -> None:
    """``text`` as ``file``, in UTF-8."""
    with made(file) as out:
        out.write(text.encode("utf-8", "replace"))

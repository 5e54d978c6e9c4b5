"""What the running server knows of its engines, in a file for commands: ``HOME/run/engines.json``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from tokenworks.engines.state import EngineState


class Posted(msgspec.Struct, frozen=True):
    """What stands there: states without their keys."""

    at_us: int
    engines: tuple[EngineState, ...]


class Board:
    """The file of the server on one home."""

    def __init__(self, home: Path) -> None:
        self._file = home / "run" / "engines.json"
        self._engines: tuple[EngineState, ...] | None = None  # as they were written last

    def write(self, states: Sequence[EngineState], now_us: int) -> None:
        """Put ``states`` there, where they are others than before. Raises OSError."""
        engines = tuple(msgspec.structs.replace(each, api_key="") for each in states)
        if not engines or engines == self._engines:
            return
        part = self._file.with_suffix(".part")
        part.write_bytes(msgspec.json.encode(Posted(now_us, engines)))
        part.replace(self._file)
        self._engines = engines

    def read(self) -> dict[str, EngineState]:
        """What stands there, by name; empty where nothing does, or another version wrote it."""
        try:
            posted = msgspec.json.decode(self._file.read_bytes(), type=Posted)
        except (OSError, msgspec.DecodeError):
            return {}
        return {each.name: each for each in posted.engines}

    def clear(self) -> None:
        """Take it away."""
        self._file.unlink(missing_ok=True)

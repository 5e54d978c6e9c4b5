"""Watts of a device at work, of the server around it, and while it waits for work. Constants: ``power.toml``.

Measured drawing follows how much of its memory bandwidth and of its matrix rate a device uses, far less than
its price does: a device that only reads memory draws two thirds of what it may.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import msgspec

from tokenworks.energy.hardware import Hardware

_SHIPPED = Path(__file__).parent / "power.toml"


class Draw(msgspec.Struct, frozen=True):
    """Constants of one device of ``tdp_w``; watts."""

    tdp_w: float
    idle_w: float  # at work, with nothing of memory or matrices used
    source: str
    memory_w: float = 0.0
    memory_power: float = 1.0
    matrices_w: float = 0.0
    matrices_power: float = 1.0
    standby_w: float = 0.0  # while no request is there

    def at(self, memory: float, matrices: float) -> float:
        """Watts while those shares of bandwidth and matrix rate are used."""
        memory, matrices = min(1.0, max(0.0, memory)), min(1.0, max(0.0, matrices))
        watts = (
            self.idle_w
            + self.memory_w * memory**self.memory_power
            + self.matrices_w * matrices**self.matrices_power
        )
        return float(min(self.tdp_w, watts))


class Rest(msgspec.Struct, frozen=True):
    """What the server around accelerators draws for each of their watts."""

    share: float
    source: str


def draw(hardware: Hardware) -> Draw:
    """The constants of ``hardware``: its own, else those of its generation or kind scaled to its TDP."""
    rows = _rows()
    found = rows.get(hardware.name)
    if found is None:
        found = rows["b200-sxm" if hardware.generation == "blackwell" else _kinds()[hardware.kind]]
    factor = hardware.tdp_w / found.tdp_w if hardware.tdp_w else 1.0
    return msgspec.structs.replace(
        found,
        tdp_w=found.tdp_w * factor,
        idle_w=found.idle_w * factor,
        memory_w=found.memory_w * factor,
        matrices_w=found.matrices_w * factor,
        standby_w=found.standby_w * factor,
    )


def rest() -> Rest:
    """Of servers with accelerators."""
    return msgspec.convert(_file()["rest"], Rest)


def server_w(hardware: Hardware, device_w: float) -> float:
    """Watts of a device with its share of the server around it."""
    return device_w if hardware.whole else device_w * (1.0 + rest().share)


@cache
def _file() -> dict[str, dict[str, object]]:
    return tomllib.loads(_SHIPPED.read_text("utf-8"))


@cache
def _rows() -> dict[str, Draw]:
    return {name: msgspec.convert(row, Draw) for name, row in _file().items() if "idle_w" in row}


@cache
def _kinds() -> dict[str, str]:
    """The row that devices of a kind are scaled from."""
    return {kind: str(_file()[kind].get("of", kind)) for kind in ("gpu", "npu", "cpu", "soc")}

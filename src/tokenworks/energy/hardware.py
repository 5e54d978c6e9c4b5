"""Devices that models run on: ``hardware.toml``, and profiles that ``energy probe`` saved on this machine."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from tokenworks.energy.dtypes import bytes_of
from tokenworks.errors import BadRequest, ConfigError

FOLDER = "hardware"  # in the home folder: NAME.toml of each machine that was measured

_SHIPPED = Path(__file__).parent / "hardware.toml"


class Hardware(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One device. Rates in TFLOP/s without sparsity, 0 where it has none; memory as its driver shows it."""

    name: str
    title: str
    memory_gb: float  # 10^9 bytes
    bandwidth_tbps: float
    bf16_tflops: float
    kind: Literal["gpu", "npu", "cpu", "soc"] = "gpu"
    generation: str = ""  # devices of one generation behave alike
    aliases: tuple[str, ...] = ()
    fp8_tflops: float = 0.0
    int8_tflops: float = 0.0
    fp4_tflops: float = 0.0
    tdp_w: float = 0.0
    whole: bool = False  # tdp_w is that of the whole computer
    link_gbps: float = 0.0  # GB/s and direction to the devices that the same link connects
    network_gbps: float = 0.0  # GB/s and direction beyond them
    node: int = 1  # devices in one server
    domain: int = 1  # devices that one link connects
    rent_usd_h: float = 0.0  # a device-hour, power included; 0: no price is known
    capex_usd: float = 0.0  # bought, with its share of server and network; 0: not known
    source: str = ""
    capex_source: str = ""
    note: str = ""
    measured: bool = False  # the rates were measured on this machine, not read off a data sheet

    def tflops(self, dtype: str) -> float:
        """Matrix rate for weights in ``dtype``; what it can't multiply is widened first, as engines do."""
        size = bytes_of(dtype)
        floats = {"nvfp4": self.fp4_tflops, "fp4": self.fp4_tflops, "mxfp4": self.fp4_tflops}
        if dtype in floats:
            return floats[dtype] or self.bf16_tflops
        if dtype in ("fp8", "mxfp8"):
            return self.fp8_tflops or self.int8_tflops or self.bf16_tflops
        if dtype == "int8":
            return self.int8_tflops or self.fp8_tflops or self.bf16_tflops
        return self.bf16_tflops / (2.0 if size > 2 else 1.0)


def load(name: str, home: Path | None = None) -> Hardware:
    """The device called ``name`` or by one of its aliases, in any case; profiles under ``home`` first.

    Raises ``BadRequest`` that lists near names, ``ConfigError`` for a profile that can't be read.
    """
    wanted = _plain(name)
    found = named(home)
    if wanted in found:
        return found[wanted]
    near = difflib.get_close_matches(wanted, found, n=4, cutoff=0.4)
    names = list(dict.fromkeys(found[key].name for key in near)) or sorted({h.name for h in found.values()})
    raise BadRequest(
        f"unknown hardware {name!r}: use {', '.join(names)}, or measure yours with 'tokenworks energy probe'"
    )


def listed(home: Path | None = None) -> list[Hardware]:
    """Every device, the user's own first, else as in the file."""
    return list({device.name: device for device in named(home).values()}.values())


def named(home: Path | None = None) -> dict[str, Hardware]:
    """Every device by its plain names."""
    own = _profiles(home / FOLDER) if home is not None else {}
    return own | {name: device for name, device in _shipped().items() if name not in own}


def source_of(device: Hardware) -> str:
    """Where a device's numbers are from, in words."""
    return _sources().get(device.source, device.source)


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


@cache
def _shipped() -> dict[str, Hardware]:
    rows = {k: v for k, v in _read(_SHIPPED).items() if k != "sources"}
    return _by_name(msgspec.convert({"name": name, **row}, Hardware) for name, row in rows.items())


@cache
def _sources() -> Mapping[str, str]:
    return msgspec.convert(_read(_SHIPPED).get("sources", {}), dict[str, str])


def _by_name(devices: Iterable[Hardware]) -> dict[str, Hardware]:
    found: dict[str, Hardware] = {}
    for device in devices:
        for name in (device.name, *device.aliases):
            found.setdefault(_plain(name), device)
    return found


def _read(path: Path) -> dict[str, dict[str, object]]:
    return tomllib.loads(path.read_text("utf-8"))


def _profiles(folder: Path) -> dict[str, Hardware]:
    """What was measured on this machine: one file for each device."""
    devices = []
    for path in sorted(folder.glob("*.toml")):
        try:
            devices.append(msgspec.convert({"name": path.stem, "measured": True, **_read(path)}, Hardware))
        except (OSError, ValueError) as error:  # what tomllib and msgspec raise are ValueErrors
            raise ConfigError(
                f"{path}: is no hardware profile: {error}: measure again or delete it"
            ) from None
    return _by_name(devices)

"""Joules and grams of one request: what the meter and the planner say of a token, times its tokens.

The supervisor writes ``HOME/run/energy.json`` every few seconds, workers read it about as often, and each
request that is settled is multiplied out. All energy is at the meter of the building: PUE is in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")

MEASURED = "measured"  # by counters of the processor or the GPU
ESTIMATED = "estimated"  # of our own engines, by the time they worked
PLANNED = "planned"  # of others' machines, by the planner, on a typical deployment

# The truth is likely between these times what is told. Counters are right within some percent, but the losses
# of the power supply, fans and disks are not in them. An estimate knows how long processors worked, not at
# which watts: a thread of a desktop takes more, and memory under load is not in it.
MEASURED_BAND = (0.9, 1.3)
ESTIMATE_BAND = (0.5, 2.0)

_MJ_UG = 3600  # 1 mJ at 3600 g/kWh is 1 µg


class Rate(msgspec.Struct, frozen=True, gc=False):
    """What one token takes, in µJ. The truth is likely between ``low`` and ``high`` times it.

    A request's joules are the same for all of its basis; the band is for those who show sums of them.
    """

    prefill_uj: int  # of a prompt token that was computed
    cached_uj: int  # of one that was read from a cache
    decode_uj: int  # of a token of the answer
    basis: str
    g_per_kwh: int = 0  # CO2 equivalent where it runs
    low: float = 1.0
    high: float = 1.0


class EnginePower(msgspec.Struct, frozen=True):
    """One running engine as the meter sees it."""

    name: str
    provider: str  # as records name it
    model: str
    basis: str
    on: str  # "cpu" or "gpu"
    watts: float  # over the last few seconds, without PUE like the joules here
    joules: float  # since the meter began
    prefill_joules: float
    decode_joules: float
    rate: Rate | None  # None: too little was seen


class MachinePower(msgspec.Struct, frozen=True):
    """This machine as the meter sees it, without PUE. Joules are sums since ``since_us``."""

    basis: str
    since_us: int
    watts: float  # over the last few seconds
    idle_watts: float  # what it takes where nothing works, as far as that was seen
    engines_joules: float
    other_joules: float  # other programs
    idle_joules: float  # nobody worked
    counters: tuple[str, ...] = ()  # what is read: "package-0", "gpu 0 (NAME)"
    problems: tuple[str, ...] = ()  # what can't be read, a sentence each


class Rates(msgspec.Struct, frozen=True):
    """Everything that is known of joules at one moment."""

    at_us: int
    engines: dict[str, dict[str, Rate]]  # of our own engines, by provider and model as records name them
    models: dict[str, Rate]  # of models elsewhere, by id or bare name
    region: str
    g_per_kwh: float
    usd_per_kwh: float
    pue: float
    remote_region: str
    remote_g_per_kwh: float
    remote_usd_per_kwh: float
    machine: MachinePower | None = None
    running: tuple[EnginePower, ...] = ()

    def usd(self, basis: str, energy_mj: int) -> float:
        """What this energy costs today, in dollars."""
        own = basis != PLANNED
        return energy_mj / 3.6e9 * (self.usd_per_kwh if own else self.remote_usd_per_kwh)


def of(
    rates: Rates, provider: str, model: str, uncached: int, cached: int, output: int
) -> tuple[int, int, str]:
    """Millijoules, µg of CO2 and basis of one request; (0, 0, "") where nobody knows.

    ``provider`` and ``model`` are as in its record; ``uncached`` is input that was not read from a cache.
    """
    own = rates.engines.get(provider)
    if own is None and "/" in provider:
        own = rates.engines.get(provider.partition("/")[0])
    rate = elsewhere(rates.models, model) if own is None else own.get(model)
    if rate is None:
        return 0, 0, ""
    mj = (uncached * rate.prefill_uj + cached * rate.cached_uj + output * rate.decode_uj + 500) // 1000
    return mj, mj * rate.g_per_kwh // _MJ_UG, rate.basis


def elsewhere(models: dict[str, T], model: str) -> T | None:
    """What is known of a model by its id, else by its bare name: "acme/model:free" is "model"."""
    found = models.get(model)
    return found if found is not None else models.get(model.rpartition("/")[2].partition(":")[0])


def path(home: Path) -> Path:
    """The file of the server on ``home``."""
    return home / "run" / "energy.json"


def read(file: Path) -> Rates | None:
    """What ``write`` wrote; None where there is no such file, or another version wrote it."""
    try:
        return _decode(file.read_bytes())
    except (OSError, ValueError):  # what msgspec raises are ValueErrors
        return None


def write(file: Path, rates: Rates) -> None:
    """Put ``rates`` in the place of the ones before, atomically. Raises ``OSError``."""
    part = file.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_bytes(msgspec.json.encode(rates))
    part.replace(file)


_decode = msgspec.json.Decoder(Rates).decode

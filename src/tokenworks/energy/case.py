"""The question that the planner answers: one model on some devices, under one load, on certain terms."""

from __future__ import annotations

import math

import msgspec

from tokenworks.energy.hardware import Hardware
from tokenworks.energy.money import Terms
from tokenworks.errors import BadRequest

ACCEPTED = (1.0, 1.84, 2.50, 2.99)
"""Mean tokens that a step gives with 0, 1, 2, 3 predicted ones: the middle of three models' modules, which
lie between 1.79 and 1.93, 2.27 and 2.73, 2.49 and 3.39 (InferenceX, golden acceptance lengths)."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """Zero mostly means: what is usual. Tokens are counts of one request, money is US dollars."""

    model: str  # a listed name, a catalogue's id, or the path of a config.json or GGUF file
    hardware: str
    devices: int = 0  # of one replica; of the decode pool where prefill is apart. 0: the fewest that fit
    tp: int = 0  # devices that split each layer; 0: all of them
    ep: int = 1  # devices over which whole experts are spread
    prefill_devices: int = 0  # prefill on devices of its own; -1: as many as keep pace; 0: none
    wide: bool = False  # experts over all devices, attention whole on each: pools of many devices
    redundant_experts: int = 0  # experts kept twice in a pool, for balance
    weights: str = "native"
    kv: str = ""
    input_tokens: int = 1024
    output_tokens: int = 1024
    cached_tokens: int = 0  # of the input
    concurrency: float = 64.0  # requests at a time of one replica
    mtp: int = 0  # tokens predicted in each step
    mtp_accepted: float = 0.0  # mean tokens that a step gives; 0: as measured elsewhere
    imbalance: float = 1.0  # load of the busiest device's experts, by the mean
    backend: str = ""  # the engine whose constants are used; empty: the one with most measurements
    own: bool = False
    rent_usd_h: float = 0.0  # of a device
    capex_usd: float = 0.0  # of a device with its share of server and network
    life_years: float = 4.0
    interest: float = 0.08
    upkeep: float = 0.05
    usd_per_kwh: float = 0.09
    g_per_kwh: float = 0.0
    pue: float = 1.2
    utilisation: float = 0.6
    hold_h: float = 1.0  # hours that a prefix is kept for each time it is used
    storage_usd_gb_h: float = 0.00001  # of kept prefixes: own solid-state disks, $0.35 a GB over four years

    @property
    def verified(self) -> int:
        """Tokens of a sequence that pass the model in one step."""
        return self.mtp + 1

    @property
    def accepted(self) -> float:
        """Mean tokens that a step gives each sequence."""
        if not self.mtp:
            return 1.0
        return self.mtp_accepted or ACCEPTED[min(self.mtp, len(ACCEPTED) - 1)]

    @property
    def decode_context(self) -> float:
        """Mean tokens behind a token that is decoded."""
        return self.input_tokens + self.output_tokens / 2

    def terms(self, hardware: Hardware) -> Terms:
        """On which terms devices are had; what the case leaves open is the hardware's.

        Where no rent is known they are counted as bought. Raises ``BadRequest`` where no price is known.
        """
        rent = 0.0 if self.own else self.rent_usd_h or hardware.rent_usd_h
        capex = self.capex_usd or hardware.capex_usd
        if not rent and not capex:
            raise BadRequest(f"no price of {hardware.title} is known: give its rent or its purchase price")
        return Terms(
            rent_usd_h=rent,
            capex_usd=capex,
            life_years=self.life_years,
            interest=self.interest,
            upkeep=self.upkeep,
            usd_per_kwh=self.usd_per_kwh,
            pue=self.pue,
            utilisation=self.utilisation,
        )


def check(case: Case) -> None:
    """Raise ``BadRequest`` for a load that can't be."""
    for name, value, least in (
        ("input", case.input_tokens, 1),
        ("output", case.output_tokens, 1),
        ("cached", case.cached_tokens, 0),
        ("devices", case.devices, 0),
        ("tp", case.tp, 0),
        ("ep", case.ep, 1),
        ("mtp", case.mtp, 0),
        ("redundant experts", case.redundant_experts, 0),
    ):
        if value < least:
            raise BadRequest(f"{name} is {value}: it must be {least} or more")
    if case.cached_tokens >= case.input_tokens:
        raise BadRequest(
            f"cached {case.cached_tokens} of {case.input_tokens} input tokens: at least one must be new,"
            f" {case.input_tokens - 1} at most"
        )
    if not 1 <= case.concurrency < math.inf:
        raise BadRequest(f"concurrency is {case.concurrency:g}: it must be 1 or more")
    if case.mtp > 16:
        raise BadRequest(f"mtp is {case.mtp}: no model predicts as many tokens; 1 to 3 are usual")
    if case.mtp and not 1 <= case.accepted <= case.verified:
        raise BadRequest(f"mtp accepted is {case.accepted:g}: it must be between 1 and {case.verified}")
    if not 1 <= case.imbalance < 100:
        raise BadRequest(f"imbalance is {case.imbalance:g}: it must be 1 or more")
    for name, price in (
        ("rent", case.rent_usd_h),
        ("purchase price", case.capex_usd),
        ("power price", case.usd_per_kwh),
        ("carbon", case.g_per_kwh),
        ("hold", case.hold_h),
        ("storage price", case.storage_usd_gb_h),
    ):
        if not 0 <= price < math.inf:
            raise BadRequest(f"{name} is {price:g}: it must be 0 or more")

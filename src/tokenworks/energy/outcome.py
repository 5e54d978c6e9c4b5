"""What a plan says. Speeds are those of one device, energy is at the wall, money is US dollars."""

from __future__ import annotations

import msgspec

from tokenworks.energy.case import Case
from tokenworks.energy.pool import Band
from tokenworks.energy.precision import Precision
from tokenworks.energy.room import Memory
from tokenworks.energy.serving import Part


class Speed(msgspec.Struct, frozen=True):
    """Rates in tokens a second of one device, times in seconds."""

    prefill_tps: float  # new input tokens while it does nothing else
    decode_tps: float  # output tokens while it does nothing else
    input_tps: float  # of all devices together by their number: input tokens, cached ones included
    output_tps: float
    ttft_s: float
    tpot_s: float
    request_s: float
    step_s: float
    running: float  # requests at a time


class Power(msgspec.Struct, frozen=True):
    """Watts of a device alone; joules with its share of the server and of the building (PUE)."""

    prefill_w: float
    decode_w: float
    mean_w: float  # over a request's device-seconds
    server_w: float  # mean, with the device's share of the server
    j_per_input: float  # of a new token
    j_per_cached: float
    j_per_output: float
    g_per_m_output: float  # grams of CO2 for a million output tokens; 0: no carbon was given


class Money(msgspec.Struct, frozen=True):
    """Dollars. ``*_usd`` without another unit: for a million tokens."""

    device_hour_usd: float  # an hour at work, the hours of waiting included
    input_usd: float  # new tokens
    cached_usd: float
    output_usd: float
    request_usd: float
    power_share: float  # of the cost, whoever pays the power
    output_power_usd: float  # what power costs of a million output tokens, whoever pays
    cent_more_usd: float  # what one cent more a kWh adds to that


class Change(msgspec.Struct, frozen=True):
    """One assumption changed; effects are fractions of what they were (0.1: ten percent more)."""

    what: str
    before: str
    after: str
    output_usd: float
    input_usd: float
    output_tps: float
    j_per_output: float


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a ``Case``."""

    case: Case
    model: str
    hardware: str
    title: str
    devices: int
    prefill_devices: int
    tp: int
    ep: int
    precision: Precision
    total_parameters: int
    active_parameters: int
    experts_touched: float  # of one layer, by one decode step of the whole group; 0: has none
    memory: Memory
    speed: Speed
    power: Power
    money: Money
    band: Band
    time_parts: tuple[Part, ...]
    money_parts: tuple[Part, ...]
    sensitivity: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()

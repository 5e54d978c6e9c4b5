"""A plan as people read it, in one screen or two; and as one JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import msgspec

from tokenworks.cli.energy.amounts import count, digits, dollars, seconds
from tokenworks.cli.table import print_table
from tokenworks.energy.grid import Region
from tokenworks.energy.outcome import Change, Plan
from tokenworks.energy.serving import Part
from tokenworks.energy.step_time import Row, constants

_BAR = 30  # characters of a part that is all of it
_BLOCKS = " ▏▎▍▌▋▊▉█"
_JOULES_PER_KWH = 3.6e6


def as_dict(plan: Plan, region: dict[str, Any]) -> dict[str, Any]:
    """What ``--json`` shows: the plan in its own words, and where its power is bought."""
    return {**msgspec.to_builtins(plan), "region": region}


def show(plan: Plan, region: Region) -> None:
    """Print ``plan``: what is asked, what comes out, what it is made of, and what it hangs on."""
    for line in _heading(plan, region):
        click.echo(line)
    for columns, rows in (_speed(plan), _memory(plan), _energy(plan), _money(plan, region)):
        click.echo()
        print_table(columns, rows, empty="")
    click.echo()
    _bars("a decode step is", plan.time_parts, lambda value: f"{digits(value * 1e3)} ms")
    click.echo()
    _bars("the cost of a request is", plan.money_parts, dollars)
    if plan.sensitivity:
        click.echo()
        columns = ("what if", "", "$/M out", "$/M in", "tokens/s", "J/token out")
        print_table(columns, [_change(each) for each in plan.sensitivity], empty="")
    click.echo()
    for line in _closing(plan, region):
        click.echo(line)


def precision_name(plan: Plan) -> str:
    """ "fp8 with int4 experts, KV in bf16"."""
    formats = plan.precision
    apart = plan.experts_touched and formats.experts != formats.dense
    return f"{formats.dense}{f' with {formats.experts} experts' if apart else ''}, KV in {formats.kv}"


def deployment(plan: Plan) -> str:
    """ "8 x NVIDIA H200 SXM", with the prefill pool where there is one."""
    apart = f"{plan.prefill_devices} + " if plan.prefill_devices else ""
    return f"{apart}{plan.devices} x {plan.title}"


def _heading(plan: Plan, region: Region) -> list[str]:
    asked = plan.case
    split = "experts over all, attention data-parallel" if asked.wide else f"tensor parallel {plan.tp}"
    if plan.ep > 1 and not asked.wide:
        split += f", experts over {plan.ep}"
    sizes = f"{plan.total_parameters / 1e9:.4g} B parameters, {plan.active_parameters / 1e9:.3g} B active"
    tokens = f"{asked.input_tokens:,} tokens in ({asked.cached_tokens:,} cached), {asked.output_tokens:,} out"
    terms = "owned" if asked.own else "rented"
    power = f"{digits(asked.usd_per_kwh * 100)} ¢/kWh, {asked.g_per_kwh:.0f} g CO2/kWh, PUE {asked.pue:g}"
    return [
        f"{plan.model}: {sizes}; {precision_name(plan)}",
        f"on {deployment(plan)}, {terms}; {split}",
        f"{asked.concurrency:g} requests at a time, {tokens}",
        f"{region.name}: {power}; {asked.utilisation:.0%} of the hours worked",
    ]


def _speed(plan: Plan) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    speed, band = plan.speed, plan.band
    devices = plan.devices + plan.prefill_devices

    def times(value: float) -> tuple[str, str]:
        return seconds(value), f"{seconds(value * band.low)} to {seconds(value * band.high)}"

    def rates(each: float) -> tuple[str, str]:
        return count(each), f"{count(each / band.high)} to {count(each / band.low)}"

    return ("speed", "", "error band", ""), [
        ("time to first token", seconds(speed.ttft_s), "", _first_token(plan)),
        (
            "time per output token",
            *times(speed.tpot_s),
            f"{digits(1 / speed.tpot_s)} tokens/s for each request",
        ),
        ("a whole request", *times(speed.request_s), f"{digits(speed.running)} at a time"),
        ("output tokens/s", *rates(speed.output_tps * devices), f"{count(speed.output_tps)} per device"),
        ("input tokens/s", *rates(speed.input_tps * devices), f"{count(speed.input_tps)} per device"),
        ("prefill alone", *rates(speed.prefill_tps), "new tokens/s per device"),
        ("decode alone", *rates(speed.decode_tps), "tokens/s per device"),
    ]


def _first_token(plan: Plan) -> str:
    """How sure that time is: the band is that of the times per output token."""
    if plan.case.wide:
        return ""
    found = constants(plan.hardware, plan.case.backend, plan.experts_touched > 0)
    error = found.ttft_abs_error if isinstance(found, Row) else 0.0  # of processors nothing is fitted
    return f"half of the measured ones lie within {error:.0%}" if error else "how far it is off is not known"


def _memory(plan: Plan) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    room = plan.memory
    length = plan.case.input_tokens + plan.case.output_tokens
    rows: list[tuple[Any, ...]] = [
        (
            "weights on each device",
            f"{digits(room.weights_gb)} GB",
            f"of {digits(room.usable_gb)} GB to use",
        ),
        ("KV per token", f"{room.kv_bytes_per_token:,.0f} bytes", ""),
    ]
    if room.sequence_mb:
        rows.append(("besides, per sequence", f"{digits(room.sequence_mb)} MB", "windows and states"))
    rows.append((f"contexts of {length:,} tokens", count(room.contexts), "fit"))
    rows.append(("contexts of 1,048,576 tokens", count(room.contexts_1m), "fit"))
    return ("memory", "", ""), rows


def _energy(plan: Plan) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    power = plan.power
    carbon = plan.case.g_per_kwh

    def joules(each: float) -> tuple[str, str, str]:
        kwh = each * 1e6 / _JOULES_PER_KWH  # of a million tokens
        return f"{digits(each)} J", f"{digits(kwh)} kWh", f"{digits(kwh * carbon)} g" if carbon else ""

    return (
        ("energy, at the wall", "a token", "a million", "CO2 of a million"),
        [
            ("new input", *joules(power.j_per_input)),
            ("cached input", *joules(power.j_per_cached)),
            ("output", *joules(power.j_per_output)),
            (
                "watts of a device",
                f"{power.mean_w:,.0f} W",
                f"{power.prefill_w:,.0f} W at prefill, {power.decode_w:,.0f} W at decode",
                f"{power.server_w:,.0f} W with its share of the server",
            ),
        ],
    )


def _money(plan: Plan, region: Region) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    money, band = plan.money, plan.band

    def priced(each: float) -> tuple[str, str]:
        return dollars(each), f"{dollars(each * band.low)} to {dollars(each * band.high)}"

    inside = "paid by the owner" if plan.case.own else "inside the rent"
    return ("$ per million tokens", "", "error band", ""), [
        ("new input", *priced(money.input_usd), ""),
        ("cached input", *priced(money.cached_usd), ""),
        ("output", *priced(money.output_usd), f"{dollars(money.output_power_usd)} of it is power"),
        ("one request", *priced(money.request_usd), ""),
        (
            "a device-hour of work",
            dollars(money.device_hour_usd),
            f"power: {money.power_share:.1%}, {inside}",
            f"one cent more a kWh: {dollars(money.cent_more_usd)} on a million out",
        ),
    ]


def _closing(plan: Plan, region: Region) -> list[str]:
    band = plan.band
    told = [
        f"error band: eight of ten measured times lie between {band.low:.2f} and {band.high:.2f} times the "
        f"planner's, half of them within {band.median_abs_error:.0%}; {band.basis}"
    ]
    told += [f"note: {note}" for note in plan.notes]
    if plan.case.usd_per_kwh == region.usd_per_kwh:  # else it was given
        said = ", ".join(each for each in (region.price.of, region.price.date) if each)
        told.append(f"price of power: {region.price.source} ({said})")
        told += [f"note: {region.id}: {region.note}"] if region.note else []
    return told


def _bars(title: str, parts: Sequence[Part], say: Any) -> None:
    rows = [(each.name, say(each.amount), f"{each.share:.0%}", bar(each.share)) for each in parts]
    print_table((title, "", "", ""), rows, empty=f"{title} nothing")


def bar(share: float, width: int = _BAR) -> str:
    """A bar of block characters, eighths at its end; ``share`` of ``width``."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (_BLOCKS[rest] if rest else "")


def _change(each: Change) -> tuple[str, ...]:
    effects = (each.output_usd, each.input_usd, each.output_tps, each.j_per_output)
    return each.what, f"{each.before} → {each.after}", *(_percent(effect) for effect in effects)


def _percent(change: float) -> str:
    return "-" if abs(change) < 0.0005 else f"{change:+.1%}" if abs(change) < 0.1 else f"{change:+.0%}"

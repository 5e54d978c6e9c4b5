"""What a plan's result hangs on: each assumption changed alone, by as much as it may vary."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from tokenworks.energy.architecture import Architecture
from tokenworks.energy.case import Case
from tokenworks.energy.dtypes import bytes_of
from tokenworks.energy.evaluation import evaluate
from tokenworks.energy.hardware import Hardware
from tokenworks.energy.outcome import Change, Plan
from tokenworks.errors import BadRequest


def with_changes(plan: Plan, arch: Architecture, device: Hardware) -> Plan:
    """``plan`` with its table of changes, largest effect on the price of output first."""
    # The group stays as it is, whatever a change would have it be.
    case = replace(plan.case, devices=plan.devices)
    found = []
    for what, before, after, changed, other in _changes(case, plan, device):
        try:
            result = evaluate(changed, arch, other)
        except BadRequest:
            continue  # such a change can't be: it would not fit
        found.append(
            Change(
                what=what,
                before=before,
                after=after,
                output_usd=result.money.output_usd / plan.money.output_usd - 1,
                input_usd=result.money.input_usd / plan.money.input_usd - 1,
                output_tps=result.speed.output_tps / plan.speed.output_tps - 1,
                j_per_output=result.power.j_per_output / plan.power.j_per_output - 1,
            )
        )
    return replace(plan, sensitivity=tuple(sorted(found, key=lambda c: -abs(c.output_usd))))


def _changes(case: Case, plan: Plan, device: Hardware) -> Iterator[tuple[str, str, str, Case, Hardware]]:
    running = plan.speed.running
    for factor in (0.5, 2.0):
        many = running * factor
        yield "requests at a time", f"{running:g}", f"{many:g}", replace(case, concurrency=many), device
    for factor in (0.5, 2.0):
        tokens, kept = max(1, round(case.input_tokens * factor)), int(case.cached_tokens * factor)
        changed = replace(case, input_tokens=max(tokens, kept + 1), cached_tokens=kept)
        yield "input tokens", f"{case.input_tokens}", f"{changed.input_tokens}", changed, device
    tokens = case.output_tokens * 2
    yield "output tokens", f"{case.output_tokens}", f"{tokens}", replace(case, output_tokens=tokens), device
    if not case.cached_tokens and case.input_tokens > 1:
        half = case.input_tokens // 2
        yield "cached input", "0", f"{half}", replace(case, cached_tokens=half), device
    if bytes_of(plan.precision.kv) > 1:
        yield "cache in", plan.precision.kv, "fp8", replace(case, kv="fp8"), device
    if not case.mtp:
        yield "tokens predicted a step", "0", "1", replace(case, mtp=1), device
    yield from _terms(case, plan, device)
    wide = replace(device, bandwidth_tbps=device.bandwidth_tbps * 0.9)
    yield "memory bandwidth", f"{device.bandwidth_tbps:g} TB/s", f"{wide.bandwidth_tbps:g} TB/s", case, wide


def _terms(case: Case, plan: Plan, device: Hardware) -> Iterator[tuple[str, str, str, Case, Hardware]]:
    terms = case.terms(device)
    if terms.owned:
        dear = terms.capex_usd * 1.25
        yield (
            "purchase price",
            f"${terms.capex_usd:,.0f}",
            f"${dear:,.0f}",
            replace(case, capex_usd=dear),
            device,
        )
        life = case.life_years + 1
        yield "life", f"{case.life_years:g} years", f"{life:g} years", replace(case, life_years=life), device
    else:
        dear = terms.rent_usd_h * 1.25
        yield "rent", f"${terms.rent_usd_h:.2f}/h", f"${dear:.2f}/h", replace(case, rent_usd_h=dear), device
    for busy in {max(0.05, case.utilisation - 0.2), min(1.0, case.utilisation + 0.2)} - {case.utilisation}:
        changed = replace(case, utilisation=busy)
        yield "utilisation", f"{case.utilisation:.0%}", f"{busy:.0%}", changed, device
    price = case.usd_per_kwh + 0.01
    changed = replace(case, usd_per_kwh=price)
    yield "power price", f"${case.usd_per_kwh:.3f}/kWh", f"${price:.3f}/kWh", changed, device
    pue = case.pue + 0.1
    yield "PUE", f"{case.pue:g}", f"{pue:g}", replace(case, pue=pue), device
    if plan.experts_touched and plan.ep > 1:
        skew = case.imbalance + 0.2
        yield (
            "busiest experts' load",
            f"{case.imbalance:g}",
            f"{skew:g}",
            replace(case, imbalance=skew),
            device,
        )

"""Many plans beside each other: models, devices and regions, and the sellers of those models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tokenworks.energy import architectures, hardware
from tokenworks.energy.case import Case
from tokenworks.energy.grid import Region
from tokenworks.energy.outcome import Plan
from tokenworks.energy.planner import plan
from tokenworks.energy.posted import Posted
from tokenworks.energy.verdict import Cost, Verdict, cheapest, judge
from tokenworks.errors import BadRequest


class Compared(msgspec.Struct, frozen=True):
    """One case: its plan, or why there is none."""

    model: str  # as it was asked for
    hardware: str
    region: Region
    plan: Plan | None
    problem: str = ""


class Market(msgspec.Struct, frozen=True):
    """The sellers of one model against the deployment that serves it cheapest."""

    model: str
    cost: Cost
    sold: tuple[Posted, ...]
    verdicts: tuple[Verdict, ...]  # one for each of ``sold``


CaseOf = Callable[[str, str, Region], Case]  # model, hardware, region


def compare(
    models: Sequence[str],
    devices: Sequence[str],
    regions: Sequence[Region],
    case_of: CaseOf,
    home: Path | None = None,
) -> list[Compared]:
    """Every model on every device in every region, in that order.

    A case that can't be, such as a model that does not fit, is a row with its problem. Raises ``BadRequest``
    for names that are not known, and where not one case can be.
    """
    for name in models:
        architectures.load(name)
    for name in devices:
        hardware.load(name, home)
    found = []
    for model in models:
        for device in devices:
            for region in regions:
                try:
                    made = plan(case_of(model, device, region), home=home, sensitivity=False)
                    found.append(Compared(model, device, region, made))
                except BadRequest as error:
                    found.append(Compared(model, device, region, None, error.message))
    if found and all(each.plan is None for each in found):
        raise BadRequest(found[0].problem)
    return found


def cost_of(made: Plan, region: Region) -> Cost:
    """What a plan costs, for judging prices against."""
    asked, money = made.case, made.money
    pool = f"{made.prefill_devices} + " if made.prefill_devices else ""
    return Cost(
        name=f"{pool}{made.devices} x {made.title} in {region.id} ({made.speed.running:g} at a time)",
        input_usd=money.input_usd,
        cached_usd=money.cached_usd,
        output_usd=money.output_usd,
        uncached_tokens=asked.input_tokens - asked.cached_tokens,
        cached_tokens=asked.cached_tokens,
        output_tokens=asked.output_tokens,
        low=made.band.low,
        high=made.band.high,
    )


def market(model: str, compared: Iterable[Compared], sold: Iterable[Posted]) -> Market | None:
    """The sellers of ``model`` against its cheapest deployment; None where no deployment can be."""
    costs = [
        cost_of(each.plan, each.region) for each in compared if each.model == model and each.plan is not None
    ]
    if not costs:
        return None
    least = cheapest(costs)
    offers = tuple(sold)
    return Market(model, least, offers, tuple(judge(least, each) for each in offers))


def names_of(model: str) -> list[str]:
    """What the catalogue may call a model: as it was asked for, then its listed names, the likest first."""
    listed = architectures.find(model)
    others = (listed.name, *listed.aliases) if listed else ()
    asked = model.rpartition("/")[2].lower()
    return list(dict.fromkeys([model, *sorted(others, key=lambda name: not name.startswith(asked))]))


def as_row(each: Compared) -> dict[str, Any]:
    """One line of a table: flat, with units in the names."""
    head = {"model": each.model, "hardware": each.hardware, "region": each.region.id}
    made = each.plan
    if made is None:
        return {**head, "problem": each.problem}
    return {
        **head,
        "devices": made.devices,
        "prefill_devices": made.prefill_devices,
        "running": made.speed.running,
        "ttft_s": made.speed.ttft_s,
        "tpot_s": made.speed.tpot_s,
        "output_tps_device": made.speed.output_tps,
        "server_w": made.power.server_w,
        "j_per_input": made.power.j_per_input,
        "j_per_output": made.power.j_per_output,
        "g_per_m_output": made.power.g_per_m_output,
        "usd_per_kwh": made.case.usd_per_kwh,
        "input_usd": made.money.input_usd,
        "cached_usd": made.money.cached_usd,
        "output_usd": made.money.output_usd,
        "power_share": made.money.power_share,
        "low": made.band.low,
        "high": made.band.high,
        "problem": "",
    }

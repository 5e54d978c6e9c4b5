"""The options of one case, which ``plan`` and ``compare`` share, and the case they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tokenworks.cli.home import Place

if TYPE_CHECKING:
    from tokenworks.config.settings import Settings
    from tokenworks.energy.grid import Region
    from tokenworks.energy.planner import Case

_MODEL_FILES = (".json", ".gguf")

# option → what is shown of it; its name in Case where that differs
_OPTIONS: tuple[tuple[str, Any, str, str], ...] = (
    ("--devices", int, "devices", "Devices of one replica [the fewest that fit]."),
    ("--tp", int, "tp", "Tensor parallelism [all devices]."),
    ("--ep", int, "ep", "Devices that whole experts are spread over [1]."),
    ("--prefill-devices", int, "prefill_devices", "Prefill on devices of its own; -1: as many as keep pace."),
    ("--redundant-experts", int, "redundant_experts", "Experts that are kept twice, with --wide [0]."),
    (
        "--weights",
        str,
        "weights",
        "Number format of weights: native, bf16, fp8, fp4, int4, q4_k ... [native].",
    ),
    ("--kv", str, "kv", "Number format of the KV cache: bf16, fp8, q8_0, q4_0 [bf16]."),
    ("--input", int, "input_tokens", "Tokens of a prompt [1024]."),
    ("--output", int, "output_tokens", "Tokens of an answer [1024]."),
    ("--cached", int, "cached_tokens", "Tokens of a prompt that are in the prefix cache [0]."),
    ("--concurrency", float, "concurrency", "Requests at a time, of one replica [64]."),
    ("--mtp", int, "mtp", "Tokens that are predicted in each step [0]."),
    ("--accepted", float, "mtp_accepted", "Tokens that a step yields with --mtp, on average [as measured]."),
    ("--imbalance", float, "imbalance", "Load of the busiest device's experts by the mean [1]."),
    ("--backend", str, "backend", "Serving engine whose constants are used [that of most measurements]."),
    ("--rent", float, "rent_usd_h", "$ of a device-hour, power included [the market's]."),
    ("--capex", float, "capex_usd", "$ of a device, with its share of server and network; with --own."),
    ("--life", float, "life_years", "Years over which it is paid off, with --own [4]."),
    ("--interest", float, "interest", "A year, with --own [0.08]."),
    ("--upkeep", float, "upkeep", "A year, of what was paid, with --own [0.05]."),
    ("--pue", float, "pue", "Power of the building by that of its computers [1.2]."),
    ("--utilisation", float, "utilisation", "Share of the hours that are worked [0.6]."),
)


def case_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of a case but for model, hardware and region, passed on by the names of ``Case``."""
    for option, kind, field, text in reversed(_OPTIONS):
        function = click.option(option, field, type=kind, help=text)(function)
    wide = click.option("--wide", is_flag=True, help="Experts over all devices, attention data-parallel.")
    own = click.option("--own", is_flag=True, help="Devices are bought, and power is paid for.")
    price = click.option("--power-price", type=float, help="$ per kWh, in place of the region's.")
    return wide(own(price(function)))


def model_of(place: Place, model: str | None) -> tuple[Place, str]:
    """The model's name or file, and the place without it: ``--config`` takes a model's file as well.

    Raises ``click.UsageError`` where there is none, or two.
    """
    file = place.file
    if file is not None and is_model(file):
        if model is not None:
            raise click.UsageError(f"give {model} or --config {file}, not both")
        if not file.exists():
            raise click.UsageError(f"{file}: no such file; give a model's config.json or GGUF file")
        return Place(place.home), str(file)
    if model is None:
        raise click.UsageError("give a MODEL, or --config with its config.json or GGUF file")
    return place, model


def is_model(file: Path) -> bool:
    """Whether a path given as ``--config`` is a model's: a config.json, a GGUF file, or a folder with one."""
    return file.suffix.lower() in _MODEL_FILES or file.is_dir()


def region_of(settings: Settings, name: str | None) -> Region:
    """The region of this name; else the configured one at its configured price, else the United States.

    Raises ``ConfigError`` for a name that no region has.
    """
    from msgspec.structs import replace

    from tokenworks.energy.grid import Figure, region

    if name is not None:
        return region(name, settings.home)
    energy = settings.energy
    found = region(energy.region if energy.region != type(energy)().region else "US", settings.home)
    if energy.usd_per_kwh is not None:
        found = replace(
            found, price=Figure(energy.usd_per_kwh, found.id, "[energy] usd_per_kwh", ""), note=""
        )
    if energy.g_per_kwh is not None:
        found = replace(found, carbon=Figure(energy.g_per_kwh, found.id, "[energy] g_per_kwh", ""))
    return found


def case(model: str, hardware: str, region: Region, options: dict[str, Any]) -> Case:
    """What the options say. What they leave out is as ``Case`` has it; what can't be is for the planner to
    refuse."""
    from tokenworks.energy.planner import Case

    _check_backend(options.get("backend"))
    given = {name: value for name, value in options.items() if value is not None}
    price = given.pop("power_price", None)
    return Case(
        model=model,
        hardware=hardware,
        usd_per_kwh=region.usd_per_kwh if price is None else price,
        g_per_kwh=region.g_per_kwh,
        **given,
    )


def _check_backend(name: str | None) -> None:
    """Raise ``ConfigError`` for an engine that no constants were fitted for: others would stand in unseen."""
    from tokenworks.energy.step_time import shipped
    from tokenworks.errors import ConfigError

    known = sorted({row.backend for row in shipped().rows})
    if name is not None and name not in known:
        raise ConfigError(f'no constants were fitted for backend "{name}"; use {", ".join(known)}')


def title_of(model: str) -> str:
    """How a model is called in tables: a file by its folder or name."""
    path = Path(model)
    if path.suffix.lower() not in _MODEL_FILES:
        return model
    return path.parent.name if path.name == "config.json" and path.parent.name else path.stem

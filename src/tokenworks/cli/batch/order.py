"""What ``batch run`` is asked to do, and what that will come to."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tokenworks.cli.table import plain, usd

if TYPE_CHECKING:
    from tokenworks.batches.estimate import Estimate
    from tokenworks.batches.recipes.recipe import Recipe
    from tokenworks.config.settings import Settings
    from tokenworks.ledger.rows import KeyRow
    from tokenworks.ledger.store import Store

CONFIRM_USD, CONFIRM_TOKENS = 1.0, 1_000_000  # from there on somebody has to say yes


@dataclass(frozen=True)
class Window:
    """When it may be asked, in µs since 1970."""

    after_us: int = 0
    before_us: int | None = None
    off_peak: bool = False


@dataclass(frozen=True)
class Order:
    """A recipe over files."""

    recipe: Recipe
    files: list[Path]
    options: dict[str, str]
    model: str
    strong: str
    window: Window = Window()


def estimated(order: Order, settings: Settings, store: Store) -> Estimate:
    """What ``order`` comes to. Raises ``BadRequest`` where nothing can be made of its files or options."""
    from tokenworks.batches.estimate import estimate, largest_tokens
    from tokenworks.batches.rates import chosen
    from tokenworks.catalog.load import load
    from tokenworks.providers.vault import with_vault

    split = order.recipe.split(order.files, order.options)
    models = chosen(
        load(with_vault(settings, store)),
        store,
        order.model,
        strong=order.strong,
        auto=settings.routing.auto,
        largest_tokens=largest_tokens(split),
        slots={name: engine.slots for name, engine in settings.engines.items()},
        now_us=time.time_ns() // 1000,
    )
    return estimate(split, models, settings.batches.concurrency)


def check(order: Order, settings: Settings, store: Store) -> None:
    """Raises ``BadRequest`` for times that can't be kept, before files are read for long."""
    from tokenworks.batches.hours import checked

    checked(order.window.after_us, order.window.before_us, time.time_ns() // 1000)
    cheap_hours(order, settings, store, None)


def cheap_hours(order: Order, settings: Settings, store: Store, found: Estimate | None) -> dict[str, str]:
    """What a batch keeps of the hours that it waits for, if it does. Raises ``BadRequest`` where none are."""
    from tokenworks.batches.hours import GUESSED_PART_S, ordered
    from tokenworks.catalog.load import load
    from tokenworks.providers.vault import with_vault

    if not order.window.off_peak:
        return {}
    part_s = found.high_hours * 3600 / found.parts if found is not None and found.parts else GUESSED_PART_S
    return ordered(load(with_vault(settings, store)), order.model, part_s)


def charged_to(store: Store, name: str | None) -> KeyRow:
    """The key that pays: the one named, else the first active admin's. Raises ``NotFound``."""
    from tokenworks.cli.who import find_key
    from tokenworks.errors import NotFound

    now_us = time.time_ns() // 1000
    if name is not None:
        row = find_key(store, name)
        if not row.active or row.expired(now_us):
            raise NotFound(f"key {name} is disabled or over; tokenworks key list shows others")
        return row
    rows = store.keys()
    able = [row for row in rows if row.role == "admin" and row.active and not row.expired(now_us)]
    if not able:
        raise NotFound("no admin key is active; give --key KEY, or: tokenworks key create NAME --role admin")
    return min(able, key=lambda row: row.created_us)


def show(order: Order, found: Estimate, *, err: bool = False) -> None:
    """The estimate in words, on stdout or stderr."""
    files = f"{len(order.files)} file{'s' if len(order.files) != 1 else ''}"
    click.echo(f"{order.recipe.name}, {files}: {found.parts:,} parts in {found.lanes:,} lanes", err=err)
    click.echo(f"  tokens   about {found.input_tokens:,} in, {found.output_tokens:,} out", err=err)
    click.echo(f"  cost     {_span(_dollars(found.low_usd), _dollars(found.high_usd))}", err=err)
    if found.off_peak is not None:
        of = found.off_peak
        prices = f"{_dollars(of.low_usd)} in {of.hours} UTC, {_dollars(of.high_usd)} at its dearest"
        click.echo(f"  by hour  {prices} (all right the first time)", err=err)
    measured = "speeds measured here" if found.measured else "speeds guessed: none measured yet"
    click.echo(f"  time     {_span(hours(found.low_hours), hours(found.high_hours))} ({measured})", err=err)
    models = found.cheap if found.cheap == found.dear else f"{found.cheap} to {found.dear}"
    stronger = f"; what fails goes to {found.strong}" if found.strong else ""
    click.echo(f"  model    {models}{stronger}", err=err)
    for each in found.skipped:
        click.secho(f"  skipped  {plain(each.file)}: {plain(each.reason)}", fg="yellow", err=err)


def needs_yes(found: Estimate, max_cost_usd: float | None = None) -> bool:
    """Whether somebody has to agree to it; a price that is not known counts as high, if nothing bounds it."""
    bounds = [usd for usd in (found.high_usd, max_cost_usd) if usd is not None]
    return not bounds or min(bounds) >= CONFIRM_USD or found.tokens >= CONFIRM_TOKENS


def agreed(found: Estimate) -> bool:
    """Asks at a terminal. Raises ``UsageError`` where nobody can answer."""
    if not sys.stdin.isatty():
        raise click.UsageError(
            f"this may cost {_dollars(found.high_usd)} for {found.tokens:,} tokens; say --yes to start it"
        )
    return click.confirm("Start it?", err=True)


def hours(value: float) -> str:
    """0.5 -> "30 min"."""
    seconds = value * 3600
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{value:.1f} h"


def _dollars(value: float | None) -> str:
    if value is None:
        return "a price that is not known"
    return (
        usd(value)
        if value == 0 or value >= 1
        else f"${value:.2g}"
        if value >= 0.0001
        else "less than $0.0001"
    )


def _span(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"

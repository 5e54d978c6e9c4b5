"""A batch while it runs: a bar at a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from tokenworks.cli.batch.card import NANO_USD, summary
from tokenworks.cli.table import plain, usd

if TYPE_CHECKING:
    from rich.console import Console

    from tokenworks.batches.forecast import Forecast
    from tokenworks.ledger.batched import BatchRow

LINE_EVERY_S = 15.0  # where no terminal shows a bar

Show = Callable[["BatchRow", "Forecast"], None]


@contextlib.contextmanager
def progress(console: Console | None = None) -> Iterator[Show]:
    """Call what it gives with the batch as it is now, as often as you like; it shows on stderr."""
    from rich.console import Console

    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield _lines(console)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("[bold]{task.description}", markup=True),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, told="")

        def show(row: BatchRow, forecast: Forecast) -> None:
            name = f"{row.kind} {row.status.replace('_', ' ')}"
            told = figures(row, forecast)
            bar.update(
                task, description=name, completed=row.done + row.failed, total=row.total or None, told=told
            )

        yield show


def figures(row: BatchRow, forecast: Forecast) -> str:
    """Speed, money, what is left and what failed, on one line."""
    told = []
    if forecast.tokens_per_s is not None:
        told.append(f"{forecast.tokens_per_s:,.0f} tokens/s")
    spent = usd(row.cost_nano_usd / NANO_USD)
    over = forecast.left_s == 0 or not forecast.cost_usd
    whole = "" if over else f" of about {usd(round(forecast.cost_usd or 0, 6))}"
    told.append(f"{spent}{whole}")
    if forecast.left_s:
        told.append(f"{left(forecast.left_s)} left")
    if row.failed:
        told.append(f"{row.failed:,} failed")
    if row.note:
        told.append(plain(row.note))
    return " · ".join(told)


def left(seconds: float) -> str:
    """3700 -> "1:01:40"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _lines(console: Console) -> Show:
    """A line when the status changes, and every so often."""
    last: tuple[str, float] = ("", 0.0)

    def show(row: BatchRow, forecast: Forecast) -> None:
        nonlocal last
        now = time.monotonic()
        if row.status == last[0] and now - last[1] < LINE_EVERY_S:
            return
        last = row.status, now
        more = f"; {left(forecast.left_s)} left" if forecast.left_s else ""
        console.print(f"{summary(row)}{more}", markup=False, highlight=False, soft_wrap=True)

    return show

"""``tokenworks rankings --by VIEW``: one ranking as a table, as JSON, or into a file."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
from msgspec import to_builtins

from tokenworks.cli.home import Place
from tokenworks.cli.rankings.desk import opened
from tokenworks.cli.rankings.figures import tokens, written
from tokenworks.cli.table import PIPE_WIDTH, print_json, usd
from tokenworks.errors import BadRequest
from tokenworks.rankings import exporting
from tokenworks.rankings.periods import zone_of
from tokenworks.rankings.question import Question, answer
from tokenworks.rankings.table import Column, Row, Table
from tokenworks.rankings.views import view_of
from tokenworks.rankings.views.view import FILTERS

UNITS = ("day", "week", "month")
NARROW = 100  # columns of a terminal; in a narrower one the main figures alone are shown
MAIN = ("share", "change", "rank_change")


def show(place: Place, *, view: str, as_json: bool, target: Path | None, **given: Any) -> None:
    """Answer what the options ask."""
    settings = place.existing()
    asked = _question(view, given, settings.rankings.timezone)
    form = "" if target is None else exporting.format_of(target)
    with opened(settings) as books:
        table = answer(books, asked)
    if target is not None:
        target.write_bytes(exporting.export(table, form))
        click.echo(f"{len(table.rows)} rows of {table.view}, {table.period}: {target}")
    elif as_json:
        print_json(to_builtins(table))
    else:
        _print(table)


def _question(view: str, given: dict[str, Any], timezone: str) -> Question:
    """What is asked. Fails with one line where two periods are given, or there is no such view."""
    named = [unit for unit in UNITS if given[unit]]
    if len(named) > 1:
        raise click.UsageError(f"give one of --{' and --'.join(named)}")
    try:
        view_of(view)
    except BadRequest as error:
        raise click.BadParameter(error.message, param_hint="--by") from None
    unit = named[0] if named else "week"
    return Question(
        view,
        unit,
        given[unit] or "latest",
        given["timezone"] or timezone,
        given["top"],
        False if given["no_private"] else None,
        given["source"],
        given["against"],
        {name: given[name] for name in FILTERS if given[name]},
    )


def _print(table: Table) -> None:
    from rich.console import Console
    from rich.table import Table as Shown
    from rich.text import Text

    if not table.rows:
        click.echo(_nothing(table))
        return
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPE_WIDTH)
    shown = _columns(table, console.width)
    grid = Shown(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for each in shown:
        grid.add_column(_title(each), justify="left" if each.kind == "text" else "right", overflow="fold")
    known = any(row.get("change") is not None for row in table.rows)
    for row in table.rows:
        grid.add_row(*(Text(_cell(row, each, known)) for each in shown))
    console.print(grid)
    click.echo(_summary(table))
    if table.note:
        click.echo(table.note)


def _cell(row: Row, column: Column, known: bool) -> str:
    if column.kind == "rank_change" and (row["rank"] is None or not known):
        return ""  # others have no rank, and nothing is new where nothing is known of before
    text = written(row[column.name], column.kind, column.name)
    return f"{text} *" if column.kind == "tokens" and column.name == "tokens" and row.get("filled") else text


def _columns(table: Table, width: int) -> list[Column]:
    """Those that fit, or the rank, the names, what ranks and how it moved."""
    if width >= NARROW:
        return [each for each in table.columns if any(row[each.name] is not None for row in table.rows)]
    first = next(each for each in table.columns if each.kind not in ("rank", "text"))
    texts = [each for each in table.columns if each.kind == "text"][:1]
    kept = {"rank", first.name, *MAIN, *(each.name for each in texts)}
    return [each for each in table.columns if each.name in kept]


def _title(column: Column) -> str:
    titles = {"rank": "#", "rank_change": "move"}
    return titles.get(column.name, column.name.replace("_", " "))


def _summary(table: Table) -> str:
    last = datetime.fromisoformat(table.until).astimezone(zone_of(table.timezone)) - timedelta(seconds=1)
    day = f" (until {last.date()})" if table.complete else ", so far"
    parts = [f"{table.period}{day}, {table.timezone}"]
    total = table.total
    if total.get("tokens") is not None:
        parts.append(f"{tokens(total['tokens'])} tokens")
    if total.get("requests") is not None:
        parts.append(f"{total['requests']:,} requests")
    if total.get("cost_usd") is not None:
        parts.append(usd(total["cost_usd"]))
    if total.get("change") is not None:
        parts.append(f"{written(total['change'], 'change')} against the period before")
    return ", ".join(parts) + (f" · source: {table.source}" if table.source else "")


def _nothing(table: Table) -> str:
    if table.source:
        return (
            f"{table.source} told nothing of {table.period}; tokenworks rankings sources shows of when it did"
        )
    return f"nothing to rank in {table.period}; tokenworks chat sends a first request, --week looks elsewhere"

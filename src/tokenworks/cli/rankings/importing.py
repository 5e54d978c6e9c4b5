"""``tokenworks rankings import``: what somebody else counted, so that it can be ranked."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from tokenworks.cli.home import Place, opened_store, placed
from tokenworks.cli.rankings.sources import day_of
from tokenworks.cli.table import print_json
from tokenworks.cli.who import actor

LONG = 4 << 20  # bytes; a file that takes a moment


@click.command("import")
@placed
@click.argument("table", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--source", default="", metavar="NAME", help="What to call it [the file's name].")
@click.option(
    "--span",
    type=click.Choice(("day", "week", "month")),
    help="What a date stands for, where the file doesn't say.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def importing(place: Place, table: Path, source: str, span: str | None, as_json: bool) -> None:
    """Import usage that somebody else counted: CSV or JSON of date, model and tokens.

    What the source told before of the same days, weeks or months is replaced. A file with a fault names its
    line and column, and nothing of it is imported.

    \b
    Examples:
      tokenworks rankings import week.csv
      tokenworks rankings import rankings-daily.json --source public
    """
    from tokenworks.rankings.importing import read

    settings = place.existing()
    with _bar(table.stat().st_size >= LONG) as say:
        say(f"reading {table.name}")
        rows = read(table, source=source, span=span)  # type: ignore[arg-type]
        name = rows[0].source
        say(f"writing {len(rows):,} rows")
        with opened_store(settings) as store:
            count = store.replace_outside(name, rows, actor=actor())
    first, last = day_of(min(row.day for row in rows)), day_of(max(row.day for row in rows))
    filled = sum(row.filled for row in rows)
    if as_json:
        print_json({"source": name, "rows": count, "first": first, "last": last, "filled": filled})
        return
    marked = f", {filled} of them marked as filled" if filled else ""
    click.echo(f"{name}: {count:,} rows from {first} to {last}{marked}; tokenworks rankings --source {name}")


@contextlib.contextmanager
def _bar(long: bool) -> Iterator[Callable[[str], object]]:
    """A bar on stderr for what takes a moment, where that is a terminal; call it with what is being done."""
    if not long:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda what: bar.update(task, description=what)

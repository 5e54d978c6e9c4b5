"""How commands show rows: a table for people, one JSON document for programs."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from typing import Any

import click

PIPE_WIDTH = 200  # columns of a table that no terminal bounds


def print_json(value: object) -> None:
    """One line of JSON on stdout."""
    click.echo(json.dumps(value, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, empty: str) -> None:
    """``rows`` under ``columns``, numbers to the right; ``empty`` says what to do where there are none."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        click.echo(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for position, name in enumerate(columns):
        numbers = all(isinstance(row[position], int | float) for row in rows)
        table.add_column(name, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))  # Text: brackets in names are no markup
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPE_WIDTH)
    console.print(table)


def plain(text: str) -> str:
    """A name that somebody else chose, fit for a terminal: what is no character to see, such as ESC, is not
    passed on to it."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or unicodedata.category(each) == "Zs" else "\ufffd" for each in text
    )


def usd(dollars: float) -> str:
    """Money as people read it: cents from a dollar up, otherwise as many digits as matter."""
    if dollars == 0 or abs(dollars) >= 1:
        return f"${dollars:,.2f}"
    return f"${dollars:.6f}" if abs(dollars) >= 0.000001 else f"${dollars:.9f}"


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else "" if value is None else plain(str(value))

"""Errors of predicted times as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import click

from tokenworks.cli.table import plain, print_table
from tokenworks.energy.scoring import Errors, Part, Score
from tokenworks.energy.serving_points import Skipped

_WORST = 8


def show(found: Score, how: str, fitted: Score | None = None) -> None:
    """``found`` by cell, and the settings predicted worst; beside it ``fitted``, in-sample."""
    click.echo(f"{found.n} points, {how}")
    click.echo(
        f"time per output token  {_words(found.tpot)}"
        + (f"; fitted: {_words(fitted.tpot)}" if fitted else "")
    )
    click.echo(
        f"time to first token    {_words(found.ttft)}"
        + (f"; fitted: {_words(fitted.ttft)}" if fitted else "")
    )
    click.echo("")
    inside = {part.name: part for part in fitted.cells} if fitted else {}
    columns = [
        "hardware, backend, kind",
        "points",
        "median error",
        "p90",
        "predicted/measured",
        "first token",
    ]
    columns += ["fitted"] if fitted else []
    print_table(columns, [_row(part, inside.get(part.name)) for part in found.cells], empty="")
    click.echo("\npredicted worst:")
    print_table(
        ("model", "points", "median error", "p90", "mostly"),
        [
            (
                plain(part.name),
                part.n,
                _percent(part.tpot.median_abs_error),
                _percent(part.tpot.p90_abs_error),
                _side(part),
            )
            for part in found.groups[:_WORST]
        ],
        empty="",
    )


def show_skipped(rows: Sequence[Skipped]) -> None:
    """How many rows were skipped, and why."""
    if not rows:
        return
    click.echo(f"\n{len(rows)} rows skipped:")
    first = {row.reason: row.line for row in reversed(rows)}
    for reason, count in Counter(row.reason for row in rows).most_common():
        click.echo(f"  {count} x {plain(reason)} (first in line {first[reason]})")


def _row(part: Part, inside: Part | None) -> tuple[object, ...]:
    e = part.tpot
    row: tuple[object, ...] = (
        part.name,
        part.n,
        _percent(e.median_abs_error),
        _percent(e.p90_abs_error),
        f"{e.p10:.2f} to {e.p90:.2f}",
        _percent(part.ttft.median_abs_error),
    )
    return (*row, _percent(inside.tpot.median_abs_error)) if inside else row


def _words(e: Errors) -> str:
    return f"median error {_percent(e.median_abs_error)}, p90 {_percent(e.p90_abs_error)}"


def _side(part: Part) -> str:
    return f"{abs(part.tpot.median_error):.0%} too {'slow' if part.tpot.median_error > 0 else 'fast'}"


def _percent(value: float) -> str:
    return f"{value:.1%}"

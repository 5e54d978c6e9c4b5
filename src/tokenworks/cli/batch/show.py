"""``tokenworks batch show``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from tokenworks.cli.home import Place, opened_store, placed
from tokenworks.cli.table import plain, print_json, print_table, usd

if TYPE_CHECKING:
    from tokenworks.ledger.batched import BatchRow, PartRow
    from tokenworks.ledger.store import Store

SHOWN = 20  # failed parts


@click.command()
@placed
@click.argument("batch_id", metavar="ID")
@click.option("--parts", "with_parts", is_flag=True, help="With --json: every part with its result.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show(place: Place, batch_id: str, with_parts: bool, as_json: bool) -> None:
    """Show one batch: how far it is, what it has cost, what failed. ID may be its beginning.

    \b
    Examples:
      tokenworks batch show batch_6f1c2a
      tokenworks batch show batch_6f1c2a --json --parts
    """
    from tokenworks.batches.forecast import forecast
    from tokenworks.batches.outputs import outputs
    from tokenworks.batches.reason import flagged, why
    from tokenworks.cli.batch.card import card, found, part_card, say

    if with_parts and not as_json:
        raise click.UsageError("--parts goes with --json")
    with opened_store(place.existing()) as store:
        row = found(store, batch_id)
        files = outputs(store, row)
        told = forecast(row, time.time_ns() // 1000)
        if as_json:
            shown = card(row, told)
            shown["flagged"] = flagged(store, row)
            shown["outputs"] = [{"id": file.id, "name": file.name, "bytes": file.bytes} for file in files]
            if with_parts:
                shown["all_parts"] = [part_card(part) for part in _every(store, row.id)]
            print_json(shown)
            return
        say(row, flagged(store, row))
        if row.max_cost_nano_usd is not None:
            click.echo(f"at most {usd(row.max_cost_nano_usd / 1e9)}")
        if told_hours := times(row):
            click.echo(told_hours)
        for file in files:
            click.echo(f"{file.id}  {plain(file.name)}  {file.bytes:,} bytes")
        failed = store.parts(row.id, status="failed", limit=SHOWN)
    if failed:
        lines = [(part.id, part.tries, part.model, why(part.result)) for part in failed]
        print_table(("failed part", "tries", "model", "why"), lines, empty="")
        if row.failed > len(failed):
            click.echo(f"and {row.failed - len(failed):,} more; --json --parts tells all")


def times(row: BatchRow) -> str:
    """When it may be asked, in one line; empty where nothing was said of that."""
    from tokenworks.batches.hours import moment, off_peak_hours

    said = []
    if row.not_before_us:
        said.append(f"not before {moment(row.not_before_us)}")
    if row.not_after_us is not None:
        said.append(f"what is not done expires at {moment(row.not_after_us)}")
    if hours := off_peak_hours(row):
        said.append(f"asked in the cheap hours {hours}")
    return "; ".join(said)


def _every(store: Store, batch_id: str) -> Iterator[PartRow]:
    seq = -1
    while parts := store.parts(batch_id, after_seq=seq):
        yield from parts
        seq = parts[-1].seq

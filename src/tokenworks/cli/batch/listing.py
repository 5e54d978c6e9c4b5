"""``tokenworks batch list``."""

from __future__ import annotations

import click

from tokenworks.cli.home import Place, opened_store, placed
from tokenworks.cli.table import print_json, print_table, usd

MOST = 10_000
STATUSES = ("open", "paused", "completed", "failed", "expired", "cancelled")


@click.command("list")
@placed
@click.option(
    "--limit", type=click.IntRange(1, MOST), default=20, show_default=True, help="The latest so many."
)
@click.option("--status", type=click.Choice(STATUSES), help="Only these; open: all that are not over.")
@click.option("--key", metavar="KEY", help="Only of the key with this id or name.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_batches(place: Place, limit: int, status: str | None, key: str | None, as_json: bool) -> None:
    """Show batches, the latest first.

    \b
    Examples:
      tokenworks batch list
      tokenworks batch list --status open --json
    """
    from tokenworks.cli.batch.card import NANO_USD, card
    from tokenworks.cli.who import find_key
    from tokenworks.ledger.batched import OPEN
    from tokenworks.plans.standing import moment

    statuses = OPEN if status == "open" else (status,) if status else ()
    with opened_store(place.existing()) as store:
        key_id = None if key is None else find_key(store, key).id
        rows = store.batches(key_id, limit=limit, statuses=statuses)
    if as_json:
        print_json({"batches": [card(row) for row in rows]})
        return
    columns = ("batch", "recipe", "status", "parts", "done", "failed", "cost", "created")
    lines = [
        (
            row.id,
            row.kind,
            row.status,
            row.total,
            row.done,
            row.failed,
            usd(row.cost_nano_usd / NANO_USD),
            moment(row.created_us),
        )
        for row in rows
    ]
    none = "no such batch" if status or key else "no batch yet"
    print_table(columns, lines, empty=f"{none}; start one with: tokenworks batch run RECIPE FILES...")

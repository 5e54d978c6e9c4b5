"""``tokenworks batch watch``: how a batch goes, until it is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from tokenworks.cli.home import Place, opened_store, placed
from tokenworks.cli.table import print_json

if TYPE_CHECKING:
    from tokenworks.ledger.batched import BatchRow
    from tokenworks.ledger.store import Store

LOOK_S = 0.5


@click.command()
@placed
@click.argument("batch_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="When it is over or paused: one JSON document.")
@click.pass_context
def watch(context: click.Context, /, place: Place, batch_id: str, as_json: bool) -> None:
    """Watch a batch until it is over or paused; Ctrl-C stops watching, not the batch.

    Exit status: 1 where parts failed or it did not end well.

    \b
    Examples:
      tokenworks batch watch batch_6f1c2a
      tokenworks batch watch batch_6f1c2a --json
    """
    from tokenworks.cli.batch.card import card, found, say

    with opened_store(place.existing()) as store:
        row = found(store, batch_id)
        try:
            row = followed(store, row.id)
        except KeyboardInterrupt:
            click.echo(f"it goes on; watch again: tokenworks batch watch {row.id}", err=True)
            context.exit(130)
    if as_json:
        print_json(card(row))
    else:
        say(row)
    context.exit(status_of(row))


def followed(
    store: Store, batch_id: str, *, look_s: float = LOOK_S, alive: Callable[[], None] | None = None
) -> BatchRow:
    """Show the batch until it is over or paused; the batch as it is then.

    ``alive`` is called with each look, and raises where nobody works on it any more.
    """
    from tokenworks.batches.forecast import Watched
    from tokenworks.cli.batch.progress import progress
    from tokenworks.errors import NotFound, StoreError
    from tokenworks.ledger.batched import OVER, PAUSED

    watched, lost = Watched(), 0
    with progress() as show:
        while True:
            try:
                row, lost = store.batch(batch_id), 0
            except StoreError:  # it may be back in a moment
                lost += 1
                if lost * look_s > 30:
                    raise
            else:
                if row is None:
                    raise NotFound(
                        f"batch {batch_id} is gone; tokenworks batch list shows those that are kept"
                    )
                show(row, watched.look(row, time.time_ns() // 1000))
                if row.status in (*OVER, PAUSED):
                    return row
            if alive is not None:
                alive()
            time.sleep(look_s)


def status_of(row: BatchRow) -> int:
    """The exit status that tells how it ended."""
    from tokenworks.ledger.batched import COMPLETED

    return 0 if row.status == COMPLETED and not row.failed else 1

"""``tokenworks batch pause|resume|cancel|retry``."""

from __future__ import annotations

import click

from tokenworks.cli.home import Place, opened_store, placed
from tokenworks.cli.table import print_json

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.command()
@placed
@click.argument("batch_id", metavar="ID")
@_JSON
def pause(place: Place, batch_id: str, as_json: bool) -> None:
    """Begin nothing new of a batch until it is resumed. What is being asked is finished and kept.

    \b
    Example:
      tokenworks batch pause batch_6f1c2a
    """
    _change(place, batch_id, "pause", as_json)


@click.command()
@placed
@click.argument("batch_id", metavar="ID")
@_JSON
def resume(place: Place, batch_id: str, as_json: bool) -> None:
    """Let a paused batch go on, now. One whose money is used up pauses again.

    \b
    Example:
      tokenworks batch resume batch_6f1c2a
    """
    _change(place, batch_id, "resume", as_json)


@click.command()
@placed
@click.argument("batch_id", metavar="ID")
@_JSON
def cancel(place: Place, batch_id: str, as_json: bool) -> None:
    """End a batch early. What was answered is kept, and results are made of it.

    \b
    Example:
      tokenworks batch cancel batch_6f1c2a
    """
    _change(place, batch_id, "cancel", as_json)


@click.command()
@placed
@click.argument("batch_id", metavar="ID")
@_JSON
def retry(place: Place, batch_id: str, as_json: bool) -> None:
    """Do what failed, or was left, of a batch that is over; what was answered is not asked again.

    \b
    Example:
      tokenworks batch retry batch_6f1c2a
    """
    _change(place, batch_id, "retry", as_json)


def _change(place: Place, batch_id: str, action: str, as_json: bool) -> None:
    from tokenworks.batches.control import act
    from tokenworks.cli.batch.card import card, found, say
    from tokenworks.cli.who import actor

    with opened_store(place.existing()) as store:
        row = act(store, found(store, batch_id).id, action, actor=actor())
    if as_json:
        print_json(card(row))
    else:
        say(row)

"""``tokenworks capture``: what is kept of prompts and answers, and how to erase it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tokenworks.cli.home import Place, opened_store, placed
from tokenworks.cli.table import print_json, print_table
from tokenworks.cli.who import actor

if TYPE_CHECKING:
    from tokenworks.ledger.store import Store


@click.group()
def capture() -> None:
    """Show and erase prompts and answers that were kept, redacted, of those who allowed it."""


@capture.command("list")
@placed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_captures(place: Place, as_json: bool) -> None:
    """Show how much is kept of each key, and until when.

    \b
    Examples:
      tokenworks capture list
      tokenworks capture list --json
    """
    from tokenworks.plans.standing import moment

    settings = place.existing()
    with opened_store(settings) as store:
        keys = store.keys()
        counts = store.capture_counts()
    names = {key.id: key.name for key in keys}
    rows = [
        {
            "key": each.key_id,
            "name": names.get(each.key_id),
            "captures": each.captures,
            "bytes": each.body_bytes,
            "oldest": moment(each.oldest_us),
            "newest": moment(each.newest_us),
            "first_expires": moment(each.expires_us),
        }
        for each in counts
    ]
    if as_json:
        print_json({"captures": rows})
        return
    columns = ("key", "name", "captures", "bytes", "oldest", "newest", "first_expires")
    empty = 'nothing is kept; [routing.auto] capture = "consented" keeps what callers allow'
    print_table(columns, [[row[name] for name in columns] for row in rows], empty=empty)


@capture.command()
@placed
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--key", metavar="KEY", help="All of the key with this id or name, revoked or not.")
def forget(place: Place, ids: tuple[str, ...], key: str | None) -> None:
    """Erase what is kept of a key, or of the requests with these IDs. It can't be undone.

    Data sets that were exported before are files of yours: nothing is taken out of them.

    \b
    Examples:
      tokenworks capture forget --key k_3f9a
      tokenworks capture forget gen-1764000100-0a1b2c3d
    """
    if (key is None) == (not ids):
        raise click.UsageError("give either ids of requests or --key KEY")
    with opened_store(place.existing()) as store:
        if key is None:
            erased = sum(store.forget_captures(capture_id=each, actor=actor()) for each in ids)
        else:
            erased = store.forget_captures(key_id=_key_id(store, key), actor=actor())
    click.echo(f"erased {erased:,} captures" if erased else "nothing was kept of that")


def _key_id(store: Store, text: str) -> str:
    """The key's id, revoked keys and those that only the captures know included. Raises ``NotFound``."""
    from tokenworks.errors import NotFound

    if any(each.key_id == text for each in store.capture_counts()):
        return text
    keys = store.keys()
    named = [each.id for each in keys if text in (each.id, each.name)]
    if len(named) > 1:
        raise NotFound(f"{len(named)} keys are called {text}; give the id of one: {', '.join(named[:5])}")
    if not named:
        raise NotFound(f"no key has the id or name {text}; tokenworks capture list shows whose are kept")
    return named[0]

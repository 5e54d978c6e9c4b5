"""``tokenworks key``: who may call."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from tokenworks.cli.home import Place, opened_store, placed
from tokenworks.cli.init import prepare
from tokenworks.cli.table import print_json, print_table

NAME_CHARS = 100


@click.group()
def key() -> None:
    """Make, list and revoke API keys."""


@key.command()
@placed
@click.argument("name")
@click.option("--admin", is_flag=True, help="The key may also administer the server.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def create(place: Place, name: str, admin: bool, as_json: bool) -> None:
    """Make a key called NAME and show it, once. A running server knows it within a second.

    \b
    Examples:
      tokenworks key create alice
      tokenworks key create ci --json
    """
    from tokenworks.plans import keys

    if not name.strip() or not name.isprintable() or len(name) > NAME_CHARS:
        raise click.BadParameter(f"a name has 1 to {NAME_CHARS} printable characters", param_hint="NAME")
    settings = prepare(place, first_key=False).settings
    with opened_store(settings) as store:
        made, secret = keys.create(store, name, settings.pepper, role="admin" if admin else "member")
    if as_json:
        print_json({"id": made, "key": secret})
    else:
        click.echo(secret)
        click.secho(f"key {made} of {name}; it is shown only now", err=True, dim=True)


@key.command("list")
@placed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_keys(place: Place, as_json: bool) -> None:
    """Show all keys; the secrets themselves are not stored.

    \b
    Examples:
      tokenworks key list
      tokenworks key list --json
    """
    with opened_store(place.existing()) as store:
        found = store.keys()
    rows = [
        {
            "id": each.id,
            "name": each.name,
            "role": each.role,
            "hint": each.hint,
            "created": _day(each.created_us),
            "active": each.active,
        }
        for each in found
    ]
    if as_json:
        print_json({"keys": rows})
        return
    columns = ("id", "name", "role", "hint", "created", "active")
    print_table(
        columns, [[row[c] for c in columns] for row in rows], empty="no keys; tokenworks key create NAME"
    )


@key.command()
@placed
@click.argument("key_id", metavar="ID")
def revoke(place: Place, key_id: str) -> None:
    """Revoke the key with this ID; a running server refuses it within a second.

    \b
    Example:
      tokenworks key revoke k_3f9a
    """
    from tokenworks.errors import NotFound

    with opened_store(place.existing()) as store:
        if not store.revoke_key(key_id):
            raise NotFound(f"no active key has the id {key_id}; tokenworks key list shows them")
    click.echo(f"revoked {key_id}")


def _day(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / 1e6, UTC).date().isoformat()

"""``tokenworks key``: who may call."""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock

import click

from tokenworks.cli.home import Place, opened_store, placed
from tokenworks.cli.init import prepare
from tokenworks.cli.table import print_json, print_table

NAME_CHARS = 100
EXPIRES = re.compile(r"(\d{1,5})([mhdw])")
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@click.group()
def key() -> None:
    """Make, list, disable and revoke API keys."""


def _expires(_: click.Context, __: click.Parameter, text: str | None) -> int | None:
    """``--expires`` in unix µs: so long from now, or the end of a day in UTC, or a moment."""
    if text is None:
        return None
    span = EXPIRES.fullmatch(text.strip())
    try:
        if span:
            end = datetime.now(UTC) + timedelta(**{UNITS[span[2]]: int(span[1])})
        elif re.fullmatch(r"\d{4}-\d{2}-\d{2}", text.strip()):
            end = datetime.combine(date.fromisoformat(text.strip()), clock(23, 59, 59), UTC)
        else:
            end = datetime.fromisoformat(text.strip())
            end = end if end.tzinfo else end.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            "give a time from now such as 30d, 12h or 2w, a day such as 2026-12-31 (until its end in UTC), "
            "or a moment such as 2026-12-31T12:00:00Z"
        ) from None
    if end <= datetime.now(UTC):
        raise click.BadParameter("is over already; give a time to come")
    return int(end.timestamp() * 1_000_000)


@key.command()
@placed
@click.argument("name")
@click.option("--admin", is_flag=True, help="The key may also administer the server.")
@click.option("--expires", callback=_expires, metavar="30d|2026-12-31", help="When it ends [never].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def create(place: Place, name: str, admin: bool, expires: int | None, as_json: bool) -> None:
    """Make a key called NAME and show it, once. A running server knows it within a second.

    \b
    Examples:
      tokenworks key create alice
      tokenworks key create ci --expires 30d --json
    """
    from tokenworks.plans import keys

    if not name.strip() or not name.isprintable() or len(name) > NAME_CHARS:
        raise click.BadParameter(f"a name has 1 to {NAME_CHARS} printable characters", param_hint="NAME")
    settings = prepare(place, first_key=False).settings
    with opened_store(settings) as store:
        role = "admin" if admin else "member"
        made, secret = keys.create(store, name, settings.pepper, role, expires_us=expires)
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
    now_us = time.time_ns() // 1000
    rows = [
        {
            "id": each.id,
            "name": each.name,
            "role": each.role,
            "hint": each.hint,
            "created": _day(each.created_us),
            "expires": None if each.expires_us is None else _moment(each.expires_us),
            "disabled": each.disabled,
            "active": each.active and not each.expired(now_us),
        }
        for each in found
    ]
    if as_json:
        print_json({"keys": rows})
        return
    columns = ("id", "name", "role", "hint", "created", "expires", "disabled", "active")
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


@key.command()
@placed
@click.argument("key_id", metavar="ID")
def disable(place: Place, key_id: str) -> None:
    """Refuse the key with this ID until it is enabled again; a running server does within a second.

    \b
    Example:
      tokenworks key disable k_3f9a
    """
    _set_disabled(place, key_id, True)
    click.echo(f"disabled {key_id}")


@key.command()
@placed
@click.argument("key_id", metavar="ID")
def enable(place: Place, key_id: str) -> None:
    """Let the disabled key with this ID call again.

    \b
    Example:
      tokenworks key enable k_3f9a
    """
    _set_disabled(place, key_id, False)
    click.echo(f"enabled {key_id}")


def _set_disabled(place: Place, key_id: str, disabled: bool) -> None:
    from tokenworks.errors import NotFound

    with opened_store(place.existing()) as store:
        if store.update_key(key_id, disabled=disabled) is None:
            raise NotFound(f"no key that is not revoked has the id {key_id}; tokenworks key list shows them")


def _moment(time_us: int) -> str:
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _day(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / 1e6, UTC).date().isoformat()

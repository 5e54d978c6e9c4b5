"""``tokenworks provider``: whom the gateway may call, and the keys for it that the vault keeps."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from tokenworks.cli.home import Place, no_server, opened_store, placed
from tokenworks.cli.init import prepare
from tokenworks.cli.table import print_json, print_table

if TYPE_CHECKING:
    from pathlib import Path

    from tokenworks.config.settings import Settings
    from tokenworks.errors import BadRequest, NotFound

MAX_SECRET = 8192  # characters


@click.group()
def provider() -> None:
    """Show the active providers, and keep keys for them."""


@provider.command("list")
@placed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_providers(place: Place, as_json: bool) -> None:
    """Show the providers that can be called, the protocols they speak and how many keys there are.

    \b
    Examples:
      tokenworks provider list
      tokenworks provider list --json
    """
    from tokenworks.catalog.sellers import active
    from tokenworks.providers.vault import configured, with_vault

    settings = place.existing()
    with opened_store(settings) as store:
        settings = with_vault(settings, store)
    rows: list[dict[str, Any]] = [
        {
            "name": each.provider.name,
            "title": each.provider.title,
            "wires": [each.provider.wire, *(wire for wire, _ in each.provider.more_wires)],
            "base_url": each.provider.base_url,
            "country": each.provider.country,
            "keys": len(configured(settings, each.provider.name)),
        }
        for each in active(settings)
    ]
    if as_json:
        print_json({"providers": rows})
        return
    columns = ("name", "title", "wires", "country", "keys")
    print_table(
        columns,
        [[", ".join(row[c]) if c == "wires" else row[c] for c in columns] for row in rows],
        empty="no active providers; tokenworks provider key add PROVIDER NAME",
    )


@provider.group("key")
def key() -> None:
    """Keep, list and remove keys of providers. They are encrypted in the store."""


@key.command()
@placed
@click.argument("name_of_provider", metavar="PROVIDER")
@click.argument("name")
@click.option("--weight", type=float, default=1.0, show_default=True, help="Its share of the requests.")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the key from standard input.")
@click.option("--env", "variable", metavar="VAR", help="Read the key from this environment variable.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def add(
    place: Place,
    name_of_provider: str,
    name: str,
    weight: float,
    from_stdin: bool,
    variable: str | None,
    as_json: bool,
) -> None:
    """Keep a key of PROVIDER under NAME. At a terminal the key is asked for and not shown.

    The key is never an argument: those stand in the shell's history and in the list of processes.

    \b
    Examples:
      tokenworks provider key add acme team-a
      pass show acme | tokenworks provider key add acme team-a --stdin
      tokenworks provider key add acme team-b --env ACME_API_KEY --weight 2
    """
    import secrets
    import time

    from tokenworks.ledger.rows import ProviderKeyRow
    from tokenworks.providers import vault

    _check_names(place.settings(), name_of_provider, name)
    _check_weight(weight)
    settings = prepare(place, first_key=False).settings
    with opened_store(settings) as store:
        rows = store.provider_keys()
        if any((row.provider, row.name) == (name_of_provider, name) for row in rows):
            raise _taken(name_of_provider, name)
        secret = _secret(from_stdin, variable)
        key_id = "pk_" + secrets.token_hex(8)
        sealed = vault.opened(settings.home, rows).seal(key_id, name_of_provider, secret)
        hint, now_us = vault.hint(secret), time.time_ns() // 1000
        row = ProviderKeyRow(key_id, name_of_provider, name, weight, sealed, hint, now_us)
        if not store.add_provider_key(row):  # somebody was faster
            raise _taken(name_of_provider, name)
    if as_json:
        print_json({"id": key_id, "provider": name_of_provider, "name": name, "hint": hint})
    else:
        click.echo(f"kept {key_id} ({hint}) of {name_of_provider}")
    _tell_restart(settings.home)


@key.command("list")
@placed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_keys(place: Place, as_json: bool) -> None:
    """Show the keys in the vault, the secrets themselves only by a hint.

    \b
    Examples:
      tokenworks provider key list
      tokenworks provider key list --json
    """
    with opened_store(place.existing()) as store:
        found = store.provider_keys()
    rows = [
        {
            "id": each.id,
            "provider": each.provider,
            "name": each.name,
            "weight": each.weight,
            "hint": each.hint,
            "created": datetime.fromtimestamp(each.created_us / 1e6, UTC).date().isoformat(),
            "disabled": each.disabled,
        }
        for each in found
    ]
    if as_json:
        print_json({"keys": rows})
        return
    columns = ("id", "provider", "name", "weight", "hint", "created", "disabled")
    empty = "no keys in the vault; tokenworks provider key add PROVIDER NAME"
    print_table(columns, [[row[c] for c in columns] for row in rows], empty=empty)


@key.command()
@placed
@click.argument("key_id", metavar="ID")
def remove(place: Place, key_id: str) -> None:
    """Forget the key with this ID. Revoke it at the provider, too, if somebody may have seen it.

    \b
    Example:
      tokenworks provider key remove pk_3f9a
    """
    settings = place.existing()
    with opened_store(settings) as store:
        if not store.remove_provider_key(key_id):
            raise _unknown(key_id)
    click.echo(f"removed {key_id}")
    _tell_restart(settings.home)


@key.command()
@placed
@click.argument("key_id", metavar="ID")
def disable(place: Place, key_id: str) -> None:
    """Keep the key with this ID, but do not use it.

    \b
    Example:
      tokenworks provider key disable pk_3f9a
    """
    _set_disabled(place, key_id, True)
    click.echo(f"disabled {key_id}")


@key.command()
@placed
@click.argument("key_id", metavar="ID")
def enable(place: Place, key_id: str) -> None:
    """Use the disabled key with this ID again.

    \b
    Example:
      tokenworks provider key enable pk_3f9a
    """
    _set_disabled(place, key_id, False)
    click.echo(f"enabled {key_id}")


@key.command()
@placed
def rotate(place: Place) -> None:
    """Encrypt every key anew under the first master key; then the others may go.

    \b
    Example:
      TOKENWORKS_VAULT_KEY=NEW,OLD tokenworks provider key rotate
    """
    from tokenworks.providers.vault import rotated

    settings = place.existing()
    with opened_store(settings) as store:
        count = store.reseal_provider_keys(rotated(settings.home, store.provider_keys()))
    click.echo(f"encrypted {count} keys under the first master key")


def _check_names(settings: Settings, name_of_provider: str, name: str) -> None:
    """Raises ``ClickException`` for a provider that nobody knows, and for a name that is taken or no name."""
    from tokenworks.config.check import unknown
    from tokenworks.config.providers import ONLY_KEY
    from tokenworks.config.rules import bad_key_name
    from tokenworks.providers.vault import configured, known

    names = known(settings)
    if name_of_provider not in names:
        raise click.BadParameter(unknown(name_of_provider, names, "provider"), param_hint="PROVIDER")
    if complaint := bad_key_name(name):
        raise click.BadParameter(complaint, param_hint="NAME")
    if name == ONLY_KEY:
        raise click.BadParameter(
            f'"{ONLY_KEY}" is the key in the configuration or the environment; use another name',
            param_hint="NAME",
        )
    if any(each.name == name for each in configured(settings, name_of_provider)):
        raise _taken(name_of_provider, name)


def _check_weight(weight: float) -> None:
    from tokenworks.config.rules import problem
    from tokenworks.config.settings import ProviderKeySettings

    if complaint := problem(ProviderKeySettings, "weight", weight):
        raise click.BadParameter(complaint, param_hint="--weight")


def _secret(from_stdin: bool, variable: str | None) -> str:
    """The key, from where the caller said it is."""
    import os

    from tokenworks.config.providers import key_in_env
    from tokenworks.config.rules import bad_secret

    if from_stdin and variable is not None:
        raise click.UsageError("--stdin and --env are both given; keep one")
    if from_stdin:
        secret = sys.stdin.read(MAX_SECRET + 1)
    elif variable is not None:
        found = key_in_env(variable, os.environ)
        if found is None:
            raise click.BadParameter(f"environment variable {variable} is not set", param_hint="--env")
        secret = found
    elif sys.stdin.isatty():
        secret = click.prompt("Key", hide_input=True, err=True)
    else:
        raise click.UsageError("no terminal to ask for the key; use --stdin or --env VAR")
    secret = secret.strip()
    if complaint := bad_secret(secret) or ("is too long" if len(secret) > MAX_SECRET else None):
        raise click.UsageError(f"the key {complaint}")
    return secret


def _set_disabled(place: Place, key_id: str, disabled: bool) -> None:
    settings = place.existing()
    with opened_store(settings) as store:
        if store.update_provider_key(key_id, disabled=disabled) is None:
            raise _unknown(key_id)
    _tell_restart(settings.home)


def _taken(name_of_provider: str, name: str) -> BadRequest:
    from tokenworks.errors import BadRequest

    return BadRequest(
        f"{name_of_provider} has a key called {name} already; use another name, or first: "
        "tokenworks provider key remove ID"
    )


def _unknown(key_id: str) -> NotFound:
    from tokenworks.errors import NotFound

    return NotFound(f"no key in the vault has the id {key_id}; tokenworks provider key list shows them")


def _tell_restart(home: Path) -> None:
    with no_server(home) as idle:
        if not idle:
            click.secho("a server runs on this home; restart it to see the change", err=True, dim=True)

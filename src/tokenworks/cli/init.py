"""``tokenworks init``: make a home folder. Asks nothing, changes nothing that is there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tokenworks.cli.home import Place, opened_store, placed
from tokenworks.cli.table import print_json

if TYPE_CHECKING:
    from tokenworks.config.settings import Settings

FIRST_KEY = "first"

TEMPLATE = """\
# Tokenworks. Everything here is optional; the values shown are the defaults.
# All settings: docs/configuration.md. Restart the server after a change.

[server]
# host = "127.0.0.1"        # "0.0.0.0" to serve other machines
# port = 8642
# workers = 1               # processes that answer requests
# keyless_local = true      # on loopback, models that run here answer without a key

[ledger]
# fsync = "interval"        # "always" also survives power loss, for a disk flush a request
# store = ""                # empty: SQLite in this folder

# A known provider needs nothing but its key in the environment. Any other one is a table:
#
# [providers.acme]
# wire = "openai_chat"
# base_url = "https://api.acme.example/v1"
# api_key_env = "ACME_API_KEY"
# [[providers.acme.models]]
# id = "acme/fast"          # what callers ask for
# upstream_id = "fast-1"    # what acme calls it
# context_length = 131072
# input_mtok = 0.10         # $ per million tokens
# output_mtok = 0.40

# Models that run here are added with: tokenworks model add smollm2
#
# [engines.smollm2]         # changes the model of that name
# slots = 4                 # requests in parallel
# context_length = 8192     # tokens of one request
# kv_cache_type = "f16"     # "q8_0" halves its memory, "q4_0" quarters it
"""


@dataclass(frozen=True)
class Prepared:
    """A home that can be served. ``key`` is the first key as (id, key) where it was made just now."""

    settings: Settings
    key: tuple[str, str] | None


@click.command()
@placed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def init(place: Place, as_json: bool) -> None:
    """Make a home folder: config, secrets, store and the first key.

    What is there already is left as it is, so running it again is safe.

    \b
    Examples:
      tokenworks init
      tokenworks init --home /srv/tokenworks --json
    """
    prepared = prepare(place)
    settings = prepared.settings
    if as_json:
        key = None if prepared.key is None else {"id": prepared.key[0], "key": prepared.key[1]}
        config = None if settings.source is None else str(settings.source)
        print_json({"home": str(settings.home), "config": config, "key": key})
        return
    click.echo(f"home    {settings.home}")
    click.echo(f"config  {settings.source}")
    if prepared.key is None:
        click.echo("key     made before; another one: tokenworks key create NAME")
    else:
        click.echo(f"key     {prepared.key[1]}   (shown only now)")
    click.echo("next    tokenworks serve" + (f" --home {settings.home}" if place.home else ""))


def prepare(place: Place, *, first_key: bool = True, require_secrets: bool = False) -> Prepared:
    """Make whatever ``place`` lacks and return it checked. Safe to run twice, also at the same time.

    Raises ``ConfigError`` or ``StoreError``; ``OSError`` where the folder can't be made.
    """
    import secrets

    from tokenworks.errors import ConfigError
    from tokenworks.plans import keys
    from tokenworks.providers.vault import with_vault

    folder = place.folder
    _make_folder(folder)
    with _alone(folder):
        if place.settings().source is None:
            _place_file(folder / "tokenworks.toml", TEMPLATE.encode())
        settings = place.settings()  # where the store is, which may hold what is required
        with opened_store(settings) as store:
            known = store.keys()
            if not settings.pepper:
                pepper = folder / "pepper"
                if known:
                    raise ConfigError(
                        f"{pepper} is gone, and without it no key can be checked; restore it from a backup"
                    )
                _place_file(pepper, secrets.token_bytes(32))
                settings = place.settings()
            if require_secrets:
                vaulted = {row.provider for row in store.provider_keys() if not row.disabled}
                settings = with_vault(place.settings(require_secrets=True, vaulted=vaulted), store)
            if known or not first_key:
                return Prepared(settings, None)
            made = keys.create(store, FIRST_KEY, settings.pepper, role="admin")
            return Prepared(settings, made)


def _make_folder(folder: Path) -> None:
    """0700 where it is new or still empty; another folder's mode is its owner's business."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not any(folder.iterdir()):
        folder.chmod(0o700)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps a second ``init`` or ``serve`` of this folder waiting."""
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _place_file(path: Path, content: bytes) -> None:
    """Write ``path`` with mode 0600, whole or not at all; never over a file that is there."""
    import tempfile

    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(part, path)
    finally:
        Path(part).unlink()

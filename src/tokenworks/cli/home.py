"""Which home folder and config file a command works on, and whether a server runs there."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tokenworks.config.settings import Settings
    from tokenworks.ledger.store import Store

_PATH = click.Path(path_type=Path)


@dataclass(frozen=True)
class Place:
    """``--home`` and ``--config``, where given."""

    home: Path | None = None
    file: Path | None = None

    @property
    def folder(self) -> Path:
        """The home folder, whether it exists or not."""
        from tokenworks.config.load import home_dir

        return home_dir(self.home)

    def settings(self, *, require_secrets: bool = False, vaulted: Collection[str] = ()) -> Settings:
        """What is set, without the vault's keys. Raises ``ConfigError``.

        A provider's missing key is an error only where keys are required and it is not in ``vaulted``.
        """
        from tokenworks.catalog.load import preset_env
        from tokenworks.config.load import load

        return load(
            self.home, self.file, preset_env=preset_env(), require_secrets=require_secrets, vaulted=vaulted
        )

    def existing(self) -> Settings:
        """The settings of a home that ``init`` has made. Raises ``ConfigError``."""
        from tokenworks.errors import ConfigError

        settings = self.settings()
        if not settings.pepper:
            raise ConfigError(f"{settings.home} is no home yet; run: tokenworks init --home {settings.home}")
        return settings


def path_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds ``--home`` and ``--config``, passed on as ``home`` and ``file``."""
    home = click.option("--home", type=_PATH, help="Home folder [TOKENWORKS_HOME, ~/.tokenworks].")
    file = click.option("--config", "file", type=_PATH, help="Config file [HOME/tokenworks.toml].")
    return home(file(function))


def placed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds ``--home`` and ``--config`` to a subcommand, which gets a ``Place`` as its first argument.

    What is given after the subcommand's name beats what is given before it.
    """

    @functools.wraps(function)
    def command(home: Path | None, file: Path | None, **options: Any) -> Any:
        outer = click.get_current_context().find_root().obj or Place()
        return function(Place(home or outer.home, file or outer.file), **options)

    return path_options(command)


@contextlib.contextmanager
def opened_store(settings: Settings) -> Iterator[Store]:
    """The store of ``settings``, of this program's version, closed afterwards."""
    from tokenworks.ledger.store import open_store

    store = open_store(settings.store_url, fsync=settings.ledger.fsync)
    try:
        store.migrate()
        yield store
    finally:
        store.close()


@contextlib.contextmanager
def no_server(home: Path) -> Iterator[bool]:
    """True while no server runs on ``home``; one that starts now waits for the block to end.

    The lock is the server's own, so a server that was killed counts as none.
    """
    import fcntl

    lock = home / "run" / "serve.lock"
    lock.parent.mkdir(mode=0o700, exist_ok=True)
    with lock.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def server_url(home: Path) -> str:
    """The base URL of the server that runs on ``home``. Raises ``ConfigError`` where none does."""
    from tokenworks.errors import ConfigError

    with no_server(home) as idle:
        state = home / "run" / "server.json"
        if not idle and state.exists():
            return str(json.loads(state.read_text())["url"])
    if idle:
        raise ConfigError(f"no server runs on {home}; start it with: tokenworks serve --home {home}")
    raise ConfigError(f"the server on {home} is still starting; try again in a moment")

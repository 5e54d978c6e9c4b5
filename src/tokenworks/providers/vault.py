"""Keys of providers in the store, encrypted under a master key that is never in the store.

What is encrypted names its row and provider, so that whoever can write to the store, but does not know
the master key, can't have one provider's key sent to another.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from tokenworks.catalog.presets import presets
from tokenworks.config.providers import ONLY_KEY
from tokenworks.config.settings import ProviderKey, ProviderSettings, Settings
from tokenworks.config.vault_key import ENV, FILE_NAME, make_vault_key, vault_keys
from tokenworks.errors import ConfigError

log = logging.getLogger(__name__)


class Sealed(Protocol):
    """A key as the store has it."""

    @property
    def id(self) -> str: ...
    @property
    def provider(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def weight(self) -> float: ...
    @property
    def ciphertext(self) -> bytes: ...
    @property
    def disabled(self) -> bool: ...


class Shelf(Protocol):
    """The part of a store that keeps them."""

    def provider_keys(self) -> Sequence[Sealed]: ...


class Vault:
    """Encrypts and decrypts under master keys: the first encrypts, any of them decrypts."""

    def __init__(self, masters: Sequence[str]) -> None:
        """``masters`` are Fernet keys, at least one."""
        self._fernet = MultiFernet([Fernet(master) for master in masters])

    def seal(self, key_id: str, provider: str, secret: str) -> bytes:
        """``secret`` as it may be stored, under this id and for this provider only."""
        return self._fernet.encrypt(msgspec.msgpack.encode((key_id, provider, secret)))

    def open(self, row: Sealed) -> str:
        """The secret in ``row``. Raises ``ConfigError`` when no master key opens it or it is another's."""
        fix = f"restore the master key it was made with, or: tokenworks provider key remove {row.id}"
        try:
            content = msgspec.msgpack.decode(self._fernet.decrypt(row.ciphertext), type=tuple[str, str, str])
        except (InvalidToken, msgspec.DecodeError):
            raise ConfigError(f"vault: key {row.name} of {row.provider} can't be read; {fix}") from None
        if content[:2] != (row.id, row.provider):
            raise ConfigError(f"vault: key {row.name} of {row.provider} was made for another; {fix}")
        return content[2]


def opened(home: Path, rows: Sequence[Sealed], env: Mapping[str, str] | None = None) -> Vault:
    """The vault of ``home``; a master key is made where there is none and ``rows`` is empty.

    Raises ``ConfigError`` where the keys in ``rows`` have outlived their master key, ``OSError`` where the
    new one can't be kept.
    """
    masters = vault_keys(home, env)
    if not masters:
        if rows:
            raise ConfigError(
                f"{home / FILE_NAME} is gone, and without it {len(rows)} keys of providers can't be read; "
                f"restore it from a backup or set {ENV}"
            )
        make_vault_key(home)
        masters = vault_keys(home, env)
    return Vault(masters)


def rotated(home: Path, rows: Sequence[Sealed], env: Mapping[str, str] | None = None) -> dict[str, bytes]:
    """A new ciphertext for every row, by id, under the first master key; ``ConfigError`` as ``opened``."""
    if not rows:
        return {}
    vault = opened(home, rows, env)
    return {row.id: vault.seal(row.id, row.provider, vault.open(row)) for row in rows}


def keys(
    store: Shelf, settings: Settings, env: Mapping[str, str] | None = None
) -> dict[str, tuple[ProviderKey, ...]]:
    """The keys that the vault adds, by provider: none of a provider that is unknown, off or needs none.

    Raises ``ConfigError`` when one can't be decrypted, ``StoreError`` when the store can't tell.
    """
    rows = store.provider_keys()
    providers = {row.provider for row in rows if not row.disabled}
    for unknown in sorted(providers - set(known(settings))):
        log.warning("vault: no provider is called %s any more; its keys are not used", unknown)
    taking = {provider for provider in providers if _takes_keys(provider, settings)}
    wanted = [row for row in rows if not row.disabled and row.provider in taking]
    if not wanted:
        return {}
    vault = opened(settings.home, rows, env)
    found: dict[str, tuple[ProviderKey, ...]] = {}
    for row in wanted:
        key = ProviderKey(row.name, vault.open(row), row.weight)
        found[row.provider] = (*found.get(row.provider, ()), key)
    return found


def with_vault(settings: Settings, store: Shelf, env: Mapping[str, str] | None = None) -> Settings:
    """``settings`` with the vault's keys behind those of the configuration, which makes providers active.

    Raises what ``keys`` raises, and ``ConfigError`` where one name stands in both places.
    """
    added = keys(store, settings, env)
    if not added:
        return settings
    secrets, provider_keys = dict(settings.secrets), dict(settings.provider_keys)
    for provider, more in added.items():
        mine = configured(settings, provider)
        if twice := sorted({key.name for key in mine} & {key.name for key in more}):
            raise ConfigError(
                f"provider {provider}: a key called {twice[0]} is in the configuration and in the vault; "
                "rename the one or remove the other (tokenworks provider key list)"
            )
        provider_keys[provider] = (*mine, *more)
        secrets.setdefault(provider, more[0].secret)
    return msgspec.structs.replace(settings, secrets=secrets, provider_keys=provider_keys)


def configured(settings: Settings, provider: str) -> tuple[ProviderKey, ...]:
    """The keys of ``provider`` in ``settings``; a single one without a name is called "default"."""
    if provider in settings.provider_keys:
        return settings.provider_keys[provider]
    secret = settings.secrets.get(provider)
    return () if secret is None else (ProviderKey(ONLY_KEY, secret),)


def known(settings: Settings) -> Collection[str]:
    """Every provider that may have keys: those of the catalogue and those of the configuration."""
    return {**presets(), **settings.providers}


def hint(secret: str) -> str:
    """Enough of a secret to tell it from others, and too little to guess the rest."""
    if len(secret) >= 20:
        return f"{secret[:3]}…{secret[-4:]}"
    return f"…{secret[-2:]}" if len(secret) >= 10 else "…"


def _takes_keys(provider: str, settings: Settings) -> bool:
    given = settings.providers.get(provider, ProviderSettings())
    return provider in known(settings) and given.enabled and given.auth != "none"

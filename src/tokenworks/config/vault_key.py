"""The master keys under which keys of providers are kept in the store.

They are never in the store itself: a copied store alone tells no provider's key.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from tokenworks.config import secret_file
from tokenworks.errors import ConfigError

ENV = "TOKENWORKS_VAULT_KEY"
FILE_NAME = "vault.key"
KEY_BYTES = 32

_BETWEEN = re.compile(r"[\s,]+")


def vault_keys(home: Path, env: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The master keys in URL-safe base64, the one that encrypts first; none before the first is made.

    Those of ``TOKENWORKS_VAULT_KEY`` come before those of ``HOME/vault.key``, so that a key can move from
    the file into the environment. Raises ``ConfigError`` for what is no such key, and for a file that
    others may read. ``env`` defaults to the process's own.
    """
    file = home / FILE_NAME
    content = secret_file.read(file)
    in_file = "" if content is None else content.decode("ascii", "replace")
    in_env = (os.environ if env is None else env).get(ENV, "")
    found = [*_split(in_env, f"environment variable {ENV}"), *_split(in_file, str(file))]
    if content is not None and not in_file.strip():
        raise ConfigError(f"{file}: is empty; restore it from a backup (keys of providers depend on it)")
    return tuple(dict.fromkeys(found))


def make_vault_key(home: Path) -> None:
    """Make ``HOME/vault.key`` with a random key, unless it is there. Raises ``OSError``."""
    key = base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES))
    secret_file.make(home / FILE_NAME, key + b"\n")


def _split(text: str, place: str) -> list[str]:
    keys = [key for key in _BETWEEN.split(text) if key]
    for position, key in enumerate(keys, 1):
        if not _is_key(key):
            raise ConfigError(
                f"{place}: key {position} is no master key (44 characters of URL-safe base64); "
                "docs/byok.md tells how to make one"
            )
    return keys


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key.encode("ascii"), altchars=b"-_", validate=True)) == KEY_BYTES
    except (binascii.Error, UnicodeEncodeError):
        return False

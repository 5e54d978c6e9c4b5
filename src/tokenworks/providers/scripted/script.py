"""A script: rules in order, read from TOML or built in Python."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from tokenworks.errors import ConfigError
from tokenworks.providers.scripted.reply import Reply

DEFAULT_MODELS = ("scripted-1",)


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a provider plays. Without rules every request is echoed."""

    reply: tuple[Reply, ...] = ()
    seed: int = 0  # of probabilities, jitter and garbage
    models: tuple[str, ...] = DEFAULT_MODELS  # what GET /models lists; any other is answered as well
    bulk_delay_s: float = 0.0  # after which a batch that was handed in has its answers
    api_key: str = ""  # when given, requests without it get 401


def parse(text: str, source: str = "script") -> Script:
    """The script in a TOML text. Raises ConfigError, one line that names ``source`` and the place."""
    try:
        table: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: {error}") from None
    try:
        return msgspec.convert(table, Script)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source}: {error}") from None


def load(source: Script | Path | str | None) -> Script:
    """A script from a Script, a path, a TOML text, or None for the echo. Raises ConfigError."""
    if source is None:
        return Script()
    if isinstance(source, Script):
        return source
    if isinstance(source, str):
        return parse(source)
    try:
        return parse(source.read_text(encoding="utf-8"), str(source))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source}: can't be read: {error}") from None

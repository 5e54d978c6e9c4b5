"""Reads the home folder, ``tokenworks.toml`` and the environment into one checked ``Settings``."""

from __future__ import annotations

import os
import re
import ssl
import stat
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tokenworks.config.check import Source, build, fields, header, nearest, unknown
from tokenworks.config.lines import KeyPath
from tokenworks.config.rules import LOCAL, WIRES, bad_name, bad_secret
from tokenworks.config.settings import (
    EngineSettings,
    LedgerSettings,
    ProviderSettings,
    ServerSettings,
    Settings,
    UpstreamSettings,
)
from tokenworks.errors import ConfigError

HOME_ENV = "TOKENWORKS_HOME"
FILE_ENV = "TOKENWORKS_CONFIG"
FILE_NAME = "tokenworks.toml"
PEPPER_NAME = "pepper"
PEPPER_BYTES = 32

S = TypeVar("S", bound=msgspec.Struct)

_TABLES = ("server", "upstream", "ledger", "providers", "engines")
_TOML_POSITION = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")


def home_dir(home: Path | None = None, env: Mapping[str, str] = os.environ) -> Path:
    """The home folder: ``home``, else ``TOKENWORKS_HOME``, else ``~/.tokenworks``; absolute."""
    named = home or Path(env.get(HOME_ENV) or "~/.tokenworks")
    try:
        return named.expanduser().absolute()
    except RuntimeError as error:  # a user without a home folder
        raise ConfigError(f"{named}: {error}; set {HOME_ENV} or use --home") from None


def load(
    home: Path | None = None,
    file: Path | None = None,
    env: Mapping[str, str] = os.environ,
    *,
    preset_env: Mapping[str, Sequence[str]] = {},
    require_secrets: bool = True,
) -> Settings:
    """Everything that is set, checked; ``ConfigError`` names file, line and fix of what is refused.

    ``file`` defaults to ``TOKENWORKS_CONFIG``, else to ``tokenworks.toml`` in the home folder, where it
    may be absent. ``preset_env`` maps each provider that the catalogue knows to the environment
    variables its key may be in, first set wins; an empty sequence means that it needs no key. With
    ``require_secrets`` false a missing key is no error: for commands that call no provider.
    """
    folder = home_dir(home, env)
    found = _find(folder, file, env)
    source = found or Source(folder / FILE_NAME, "", {})
    for key, value in source.content.items():
        if key not in _TABLES:
            raise source.refuse(
                (), unknown(key, _TABLES, "table" if isinstance(value, dict) else "key"), at=key
            )
    providers = _providers(source, folder, preset_env)
    secrets = _secrets(source, providers, env, preset_env, require_secrets)
    return Settings(
        home=folder,
        source=found.file if found else None,
        server=_section(ServerSettings, "server", source),
        upstream=_section(UpstreamSettings, "upstream", source),
        ledger=_section(LedgerSettings, "ledger", source),
        # a resolved key stands in one place only
        providers={name: msgspec.structs.replace(p, api_key=None) for name, p in providers.items()},
        engines=_engines(source, folder),
        secrets=secrets,
        pepper=_pepper(folder / PEPPER_NAME),
    )


def _find(folder: Path, file: Path | None, env: Mapping[str, str]) -> Source | None:
    """The config file, read; None where none was named and the home folder has none."""
    named = file or (Path(env[FILE_ENV]) if env.get(FILE_ENV) else None)
    if named is not None:
        return _read(named.expanduser().absolute())
    default = folder / FILE_NAME
    return _read(default) if default.exists() else None


def _read(file: Path) -> Source:
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{file}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: is not UTF-8 at byte {error.start}; save it as UTF-8") from None
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        position = _TOML_POSITION.search(message)
        line = int(position[1]) if position and position[1] else text.rstrip().count("\n") + 1
        said = message[: position.start()] if position else message
        raise ConfigError(f"{file}:{line}: not valid TOML: {said}") from None
    except RecursionError:
        raise ConfigError(f"{file}: is nested too deeply") from None
    return Source(file, text, content)


def _section(cls: type[S], name: str, source: Source) -> S:
    return build(cls, fields(cls, source.content.get(name, {}), source, (name,)), source, (name,))


def _named_tables(source: Source, name: str) -> dict[str, tuple[KeyPath, Any]]:
    """``[name.X]`` for every X: its path and content."""
    found: dict[str, tuple[KeyPath, Any]] = {}
    for key, value in source.table(source.content.get(name, {}), (name,)).items():
        if complaint := bad_name(key):
            raise source.refuse((name,), f'"{key}": {complaint}', at=key)
        found[key] = ((name, key), value)
    return found


def _providers(
    source: Source, folder: Path, presets: Mapping[str, Sequence[str]]
) -> dict[str, ProviderSettings]:
    providers: dict[str, ProviderSettings] = {}
    for name, (path, value) in _named_tables(source, "providers").items():
        if name == LOCAL:
            raise source.refuse(path, f'"{LOCAL}" means the models that run here; use another name')
        values = fields(ProviderSettings, value, source, path)
        provider = build(ProviderSettings, values, source, path)
        if provider.api_key is not None and provider.api_key_env is not None:
            raise source.refuse(path, "api_key and api_key_env are both set; keep one", at="api_key_env")
        if name not in presets:
            _check_custom(provider, source, path, presets)
        _check_models(provider, source, path)
        if provider.ca_file is not None:
            ca_file = _under(folder, provider.ca_file)
            if not ca_file.is_file():
                raise source.refuse(path, f"ca_file: {ca_file} is no file; give its path", at="ca_file")
            try:
                ssl.create_default_context(cafile=str(ca_file))
            except (ssl.SSLError, OSError) as error:
                text = f"ca_file: {ca_file} holds no certificates in PEM form ({error})"
                raise source.refuse(path, text, at="ca_file") from None
            provider = msgspec.structs.replace(provider, ca_file=str(ca_file))
        providers[name] = provider
    return providers


def _check_custom(
    provider: ProviderSettings, source: Source, path: KeyPath, presets: Mapping[str, Sequence[str]]
) -> None:
    """A provider that the catalogue does not know must say where it is and what it serves."""
    if provider.base_url is None:
        near = nearest(str(path[-1]), presets)
        hint = f', or did you mean "{near}"?' if near else ""
        raise source.refuse(path, f'base_url is missing; add base_url = "https://..."{hint}')
    if provider.wire is None:
        raise source.refuse(path, f'wire is missing; add wire = "{WIRES[0]}"')
    if not provider.models and not provider.accepts_any_model:
        models = header((*path, "models", 0))
        raise source.refuse(path, f"no models; add {models} or accepts_any_model = true")


def _check_models(provider: ProviderSettings, source: Source, path: KeyPath) -> None:
    seen: dict[str, int] = {}
    for position, model in enumerate(provider.models):
        at: KeyPath = (*path, "models", position)
        for name in (model.id, *model.aliases):
            if seen.setdefault(name.lower(), position) != position:
                raise source.refuse(at, f'"{name}" is listed twice; keep one of them', at="id")
        if (model.input_mtok is None) != (model.output_mtok is None):
            raise source.refuse(at, "input_mtok and output_mtok go together; set both or neither")
        if model.input_mtok is None and (model.cache_read_mtok, model.cache_write_mtok) != (None, None):
            raise source.refuse(at, "a cache price needs input_mtok and output_mtok beside it")


def _secrets(
    source: Source,
    providers: Mapping[str, ProviderSettings],
    env: Mapping[str, str],
    presets: Mapping[str, Sequence[str]],
    required: bool,
) -> dict[str, str]:
    """The key of every provider that has one: in the file, named by the file, or under its usual name."""
    secrets: dict[str, str] = {}
    for name in {**presets, **providers}:
        provider = providers.get(name, ProviderSettings())
        if not provider.enabled or provider.auth == "none":
            continue
        if provider.api_key is not None:
            secrets[name] = provider.api_key
            continue
        variables = [provider.api_key_env] if provider.api_key_env else list(presets.get(name, ()))
        variable = next((each for each in variables if env.get(each, "").strip()), None)
        if variable is not None:
            secrets[name] = env[variable].strip()
            if complaint := bad_secret(secrets[name]):
                raise ConfigError(f"environment variable {variable} {complaint}")
        elif required and name in providers and (variables or name not in presets):
            raise _missing_secret(source, name, provider, variables)
    return secrets


def _missing_secret(
    source: Source, name: str, provider: ProviderSettings, variables: Sequence[str]
) -> ConfigError:
    path = ("providers", name)
    if not variables:
        return source.refuse(path, 'no key; set api_key or api_key_env, or auth = "none" if it needs none')
    others = f" (nor {', '.join(variables[1:])})" if len(variables) > 1 else ""
    return source.refuse(
        path,
        f"environment variable {variables[0]} is not set{others}; export it or set api_key",
        at="api_key_env" if provider.api_key_env else None,
    )


def _engines(source: Source, folder: Path) -> dict[str, EngineSettings]:
    """Engines of ``HOME/engines/*.toml``; ``[engines.NAME]`` adds to or overrides what such a file says."""
    values: dict[str, dict[str, Any]] = {}
    origin: dict[str, tuple[Source, KeyPath]] = {}
    for file in sorted((folder / "engines").glob("*.toml")):
        shelf = _read(file)
        if complaint := bad_name(file.stem):
            raise ConfigError(f"{file}: {complaint}; rename the file")
        values[file.stem] = fields(EngineSettings, shelf.content, shelf, ())
        origin[file.stem] = (shelf, ())
    for name, (path, value) in _named_tables(source, "engines").items():
        given = fields(EngineSettings, value, source, path)
        values[name] = {**values.get(name, {}), **given}
        origin[name] = (source, path)
    engines: dict[str, EngineSettings] = {}
    for name, merged in values.items():
        engine = build(EngineSettings, merged, *origin[name])
        engines[name] = msgspec.structs.replace(engine, path=str(_under(folder, engine.path)))
    return engines


def _under(folder: Path, named: str) -> Path:
    """Relative paths count from the home folder, so that it can be moved as a whole."""
    try:
        return folder / Path(named).expanduser()
    except RuntimeError as error:  # ~someone who is not there
        raise ConfigError(f"{named}: {error}") from None


def _pepper(file: Path) -> bytes:
    """The secret of the key HMAC; empty before ``init`` has made it."""
    try:
        mode = file.stat().st_mode
        pepper = file.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise ConfigError(f"{file}: can't be read: {error.strerror}") from None
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"{file}: others may read it; run: chmod 600 {file}")
    if len(pepper) != PEPPER_BYTES:
        raise ConfigError(
            f"{file}: must be {PEPPER_BYTES} bytes; restore it from a backup (keys depend on it)"
        )
    return pepper

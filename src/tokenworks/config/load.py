"""Reads the home folder, ``tokenworks.toml`` and the environment into one checked ``Settings``."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tokenworks.config import secret_file
from tokenworks.config.auto import AutoSettings
from tokenworks.config.check import Source, build, fields, under, unknown
from tokenworks.config.engines import conflict, misplaced
from tokenworks.config.lines import KeyPath
from tokenworks.config.presets import preset
from tokenworks.config.providers import key_in_env, provider, resolved_keys, without_keys
from tokenworks.config.routes import routes
from tokenworks.config.rules import bad_name
from tokenworks.config.settings import (
    BatchSettings,
    EnergySettings,
    EngineSettings,
    LedgerSettings,
    LimitSettings,
    ObservabilitySettings,
    RankingsSettings,
    RoutingSettings,
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

_TABLES = (
    *("server", "upstream", "routing", "ledger", "limits", "rankings", "observability", "batches"),
    "energy",
    *("providers", "presets", "engines", "route"),
)
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
    vaulted: Collection[str] = (),
) -> Settings:
    """Everything that is set, checked; ``ConfigError`` names file, line and fix of what is refused.

    ``file`` defaults to ``TOKENWORKS_CONFIG``, else to ``tokenworks.toml`` in the home folder, where it
    may be absent. ``preset_env`` maps each provider that the catalogue knows to the environment
    variables its key may be in, first set wins; an empty sequence means that it needs no key. With
    ``require_secrets`` false a missing key is no error: for commands that call no provider. Nor is it for
    the providers in ``vaulted``, whose keys are kept elsewhere.
    """
    folder = home_dir(home, env)
    found = _find(folder, file, env)
    source = found or Source(folder / FILE_NAME, "", {})
    for key, value in source.content.items():
        if key not in _TABLES:
            raise source.refuse(
                (), unknown(key, _TABLES, "table" if isinstance(value, dict) else "key"), at=key
            )
    providers = {
        name: provider(source, path, value, folder, preset_env)
        for name, (path, value) in _named_tables(source, "providers").items()
    }
    keys = resolved_keys(source, providers, env, preset_env, required=require_secrets, vaulted=vaulted)
    engines = _engines(source, folder)
    return Settings(
        home=folder,
        source=found.file if found else None,
        server=_section(ServerSettings, "server", source),
        upstream=_section(UpstreamSettings, "upstream", source),
        routing=_routing(source),
        ledger=_section(LedgerSettings, "ledger", source),
        limits=_section(LimitSettings, "limits", source),
        rankings=_section(RankingsSettings, "rankings", source),
        observability=_section(ObservabilitySettings, "observability", source),
        batches=_section(BatchSettings, "batches", source),
        energy=_energy(source),
        providers={name: without_keys(given) for name, given in providers.items()},
        engines={name: msgspec.structs.replace(each, api_key=None) for name, each in engines.items()},
        engine_keys=_engine_keys(engines, env, required=require_secrets),
        secrets={name: found[0].secret for name, found in keys.items()},
        provider_keys={
            name: found for name, found in keys.items() if name in providers and providers[name].keys
        },
        presets={
            name: preset(source, path, value)
            for name, (path, value) in _named_tables(source, "presets").items()
        },
        routes=routes(source),
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


def _energy(source: Source) -> EnergySettings:
    found = _section(EnergySettings, "energy", source)
    idle, full = found.idle_watts, found.full_watts
    if idle is not None and full is not None and full < idle:
        raise source.refuse(
            ("energy",),
            "full_watts must be at least idle_watts; give both of the whole machine",
            at="full_watts",
        )
    return found


def _routing(source: Source) -> RoutingSettings:
    """``[routing]`` with ``[routing.auto]`` in it."""
    path: KeyPath = ("routing",)
    table = dict(source.table(source.content.get("routing", {}), path))
    inner: KeyPath = (*path, "auto")
    auto = build(AutoSettings, fields(AutoSettings, table.pop("auto", {}), source, inner), source, inner)
    found = build(RoutingSettings, fields(RoutingSettings, table, source, path), source, path)
    return msgspec.structs.replace(found, auto=auto)


def _named_tables(source: Source, name: str) -> dict[str, tuple[KeyPath, Any]]:
    """``[name.X]`` for every X: its path and content."""
    found: dict[str, tuple[KeyPath, Any]] = {}
    for key, value in source.table(source.content.get(name, {}), (name,)).items():
        if complaint := bad_name(key):
            raise source.refuse((name,), f'"{key}": {complaint}', at=key)
        found[key] = ((name, key), value)
    return found


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
        where, path = origin[name]
        engine = build(EngineSettings, merged, where, path)
        if found := misplaced(merged, engine.runtime) or conflict(engine):
            raise where.refuse(path, " ".join(found), at=found[0])
        if engine.api_key is not None and engine.api_key_env is not None:
            raise where.refuse(path, "api_key and api_key_env are both set; keep one", at="api_key_env")
        if engine.runs_elsewhere:
            engines[name] = _server(engine, merged)
        else:
            engines[name] = msgspec.structs.replace(engine, path=str(under(folder, engine.path)))
    return engines


def _server(engine: EngineSettings, given: Mapping[str, Any]) -> EngineSettings:
    """A server that runs already: what it does not tell is 0, and its address has one form."""
    return msgspec.structs.replace(
        engine,
        url=engine.url.rstrip("/").removesuffix("/v1"),
        slots=0,
        context_length=given.get("context_length", 0),
    )


def _engine_keys(
    engines: Mapping[str, EngineSettings], env: Mapping[str, str], *, required: bool
) -> dict[str, str]:
    """The keys of servers, by the engine's name. Where ``required``, one that is nowhere is an error."""
    found = {}
    for name, engine in engines.items():
        secret = engine.api_key
        if secret is None and engine.api_key_env is not None:
            secret = key_in_env(engine.api_key_env, env)
            if secret is None and required:
                raise ConfigError(
                    f"engines.{name}: environment variable {engine.api_key_env} is not set; export it"
                )
        if secret is not None:
            found[name] = secret
    return found


def _pepper(file: Path) -> bytes:
    """The secret of the key HMAC; empty before ``init`` has made it."""
    pepper = secret_file.read(file)
    if pepper is None:
        return b""
    if len(pepper) != PEPPER_BYTES:
        raise ConfigError(
            f"{file}: must be {PEPPER_BYTES} bytes; restore it from a backup (keys depend on it)"
        )
    return pepper

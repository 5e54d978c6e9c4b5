"""``[providers.NAME]``: whom the gateway may call, and with which keys."""

from __future__ import annotations

import ssl
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tokenworks.config.check import Source, build, fields, header, nearest, under
from tokenworks.config.lines import KeyPath
from tokenworks.config.rules import LOCAL, WIRES, bad_secret
from tokenworks.config.settings import ProviderKey, ProviderSettings
from tokenworks.errors import ConfigError

ONLY_KEY = "default"  # what the key of a provider is called that has no [[providers.NAME.keys]]

Presets = Mapping[str, Sequence[str]]  # known provider → environment variables of its key


def provider(
    source: Source, path: KeyPath, value: object, folder: Path, presets: Presets
) -> ProviderSettings:
    """The provider in the table ``value`` at ``path``; raises ``ConfigError`` with line and fix."""
    name = str(path[-1])
    if name == LOCAL:
        raise source.refuse(path, f'"{LOCAL}" means the models that run here; use another name')
    given = build(ProviderSettings, fields(ProviderSettings, value, source, path), source, path)
    if given.api_key is not None and given.api_key_env is not None:
        raise source.refuse(path, "api_key and api_key_env are both set; keep one", at="api_key_env")
    _check_keys(given, source, path)
    if given.wire is not None and given.wire in (given.more_wires or {}):
        text = f"more_wires names {given.wire}, which is its wire already; keep one"
        raise source.refuse(path, text, at="more_wires")
    if name not in presets:
        _check_custom(given, source, path, presets)
    _check_models(given, source, path)
    if given.ca_file is not None:
        given = msgspec.structs.replace(given, ca_file=_trust_roots(given.ca_file, source, path, folder))
    return given


def resolved_keys(
    source: Source,
    providers: Mapping[str, ProviderSettings],
    env: Mapping[str, str],
    presets: Presets,
    *,
    required: bool,
    vaulted: Collection[str] = (),
) -> dict[str, tuple[ProviderKey, ...]]:
    """The keys of every provider that has any: in the file, named by the file, or under the usual name.

    Where ``required``, a provider in the file whose key is nowhere raises ``ConfigError``, unless it is
    one of ``vaulted``.
    """
    found: dict[str, tuple[ProviderKey, ...]] = {}
    for name in {**presets, **providers}:
        given = providers.get(name, ProviderSettings())
        if not given.enabled or given.auth == "none":
            continue
        if given.keys:
            keys = _named_keys(source, name, given, env, required)
        else:
            missing = required and name in providers and name not in vaulted
            keys = _only_key(source, name, given, env, presets.get(name), missing)
        if keys:
            found[name] = keys
    return found


def without_keys(given: ProviderSettings) -> ProviderSettings:
    """``given`` without its secrets: a resolved key stands in one place only."""
    keys = tuple(msgspec.structs.replace(key, api_key=None) for key in given.keys)
    return msgspec.structs.replace(given, api_key=None, keys=keys)


def key_in_env(variable: str, env: Mapping[str, str]) -> str | None:
    """The key in ``variable``, None where that is not set. Raises ``ConfigError`` for what is no key."""
    secret = env.get(variable, "").strip()
    if not secret:
        return None
    if complaint := bad_secret(secret):
        raise ConfigError(f"environment variable {variable} {complaint}")
    return secret


def _check_keys(given: ProviderSettings, source: Source, path: KeyPath) -> None:
    keys: KeyPath = (*path, "keys")
    for alone in ("api_key", "api_key_env"):
        if given.keys and getattr(given, alone) is not None:
            text = f"{alone} and {header((*keys, 0))} are both set; make {alone} one of the keys"
            raise source.refuse(path, text, at=alone)
    seen: set[str] = set()
    for position, key in enumerate(given.keys):
        at: KeyPath = (*keys, position)
        if key.name in seen:
            raise source.refuse(at, f'"{key.name}" is listed twice; name each key differently', at="name")
        seen.add(key.name)
        if key.api_key is not None and key.api_key_env is not None:
            raise source.refuse(at, "api_key and api_key_env are both set; keep one", at="api_key_env")
        if key.api_key is None and key.api_key_env is None:
            raise source.refuse(at, "no key; set api_key or api_key_env")


def _check_custom(given: ProviderSettings, source: Source, path: KeyPath, presets: Presets) -> None:
    """A provider that the catalogue does not know must say where it is and what it serves."""
    if given.base_url is None:
        near = nearest(str(path[-1]), presets)
        hint = f', or did you mean "{near}"?' if near else ""
        raise source.refuse(path, f'base_url is missing; add base_url = "https://..."{hint}')
    if given.wire is None:
        raise source.refuse(path, f'wire is missing; add wire = "{WIRES[0]}"')
    if not given.models and not given.accepts_any_model:
        models = header((*path, "models", 0))
        raise source.refuse(path, f"no models; add {models} or accepts_any_model = true")


def _check_models(given: ProviderSettings, source: Source, path: KeyPath) -> None:
    seen: dict[str, int] = {}
    for position, model in enumerate(given.models):
        at: KeyPath = (*path, "models", position)
        for name in (model.id, *model.aliases):
            if seen.setdefault(name.lower(), position) != position:
                raise source.refuse(at, f'"{name}" is listed twice; keep one of them', at="id")
        if (model.input_mtok is None) != (model.output_mtok is None):
            raise source.refuse(at, "input_mtok and output_mtok go together; set both or neither")
        if model.input_mtok is None and (model.cache_read_mtok, model.cache_write_mtok) != (None, None):
            raise source.refuse(at, "a cache price needs input_mtok and output_mtok beside it")


def _trust_roots(named: str, source: Source, path: KeyPath, folder: Path) -> str:
    """The path of a PEM file that holds certificates."""
    file = under(folder, named)
    if not file.is_file():
        raise source.refuse(path, f"ca_file: {file} is no file; give its path", at="ca_file")
    try:
        ssl.create_default_context(cafile=str(file))
    except (ssl.SSLError, OSError) as error:
        text = f"ca_file: {file} holds no certificates in PEM form ({error})"
        raise source.refuse(path, text, at="ca_file") from None
    return str(file)


def _named_keys(
    source: Source, name: str, given: ProviderSettings, env: Mapping[str, str], required: bool
) -> tuple[ProviderKey, ...]:
    """Those of ``[[providers.NAME.keys]]``; without ``required`` the ones whose variables are set."""
    keys = []
    for position, key in enumerate(given.keys):
        secret = key.api_key
        if secret is None and key.api_key_env is not None:
            secret = key_in_env(key.api_key_env, env)
            if secret is None and required:
                text = f"environment variable {key.api_key_env} is not set; export it or set api_key"
                raise source.refuse(("providers", name, "keys", position), text, at="api_key_env")
        if secret is not None:
            keys.append(ProviderKey(key.name, secret, key.weight))
    return tuple(keys)


def _only_key(
    source: Source,
    name: str,
    given: ProviderSettings,
    env: Mapping[str, str],
    usual: Sequence[str] | None,
    required: bool,
) -> tuple[ProviderKey, ...]:
    """The key of a provider that has one at most. ``usual`` is None for one that no catalogue knows."""
    if given.api_key is not None:
        return (ProviderKey(ONLY_KEY, given.api_key),)
    variables = [given.api_key_env] if given.api_key_env else list(usual or ())
    for variable in variables:
        secret = key_in_env(variable, env)
        if secret is not None:
            return (ProviderKey(ONLY_KEY, secret),)
    if required and (variables or usual is None):
        raise _missing(source, name, given, variables)
    return ()


def _missing(source: Source, name: str, given: ProviderSettings, variables: Sequence[str]) -> ConfigError:
    path: tuple[Any, ...] = ("providers", name)
    if not variables:
        return source.refuse(path, 'no key; set api_key or api_key_env, or auth = "none" if it needs none')
    others = f" (nor {', '.join(variables[1:])})" if len(variables) > 1 else ""
    return source.refuse(
        path,
        f"environment variable {variables[0]} is not set{others}; export it or set api_key",
        at="api_key_env" if given.api_key_env else None,
    )

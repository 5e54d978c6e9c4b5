"""Puts a server that somebody runs on the shelf, after it was asked what it is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tokenworks.catalog.presets import models as known_models
from tokenworks.config.providers import key_in_env
from tokenworks.config.rules import bad_name, problem
from tokenworks.config.settings import EngineSettings
from tokenworks.engines import shelf
from tokenworks.engines.server_client import ServerClient
from tokenworks.engines.server_probe import Probed, Served, probe
from tokenworks.errors import ConfigError

SHOWN = 5  # models of a server that an error names


class AddedServer(msgspec.Struct, frozen=True):
    """What ``add_server`` has put there."""

    name: str
    settings: EngineSettings
    probed: Probed
    replaced: bool  # an entry of this name for the same server


def add_server(
    home: Path,
    name: str,
    url: str,
    *,
    model: str | None = None,
    served_as: str | None = None,
    key_env: str | None = None,
    env: Mapping[str, str] = os.environ,
) -> AddedServer:
    """Ask the server at ``url`` what it is, and write ``HOME/engines/NAME.toml``.

    ``model``: what callers ask for, by default as the catalogue or the server calls it. ``served_as`` is
    needed where the server has several models and ``model`` does not say which. Raises ConfigError.
    """
    if complaint := bad_name(name):
        raise ConfigError(f'"{name}": {complaint}')
    given = {"url": url, "model": model, "served_as": served_as, "api_key_env": key_env}
    for key, value in given.items():
        if value is not None and (complaint := problem(EngineSettings, key, value)):
            raise ConfigError(f"{key} {complaint}")
    url = url.rstrip("/").removesuffix("/v1")
    there = shelf.list_engines(home).get(name)
    if there is not None and there.url != url:
        raise ConfigError(f'"{name}" already runs {there.url or there.path}; give another name')
    secret = key_in_env(key_env, env) if key_env else None
    if key_env and secret is None:
        raise ConfigError(f"environment variable {key_env} is not set; export it")
    client = ServerClient(url, secret or "")
    try:
        probed = probe(client, url)
    except OSError as error:
        raise ConfigError(f"{url} went away while it was asked: {error}") from None
    finally:
        client.close()
    served = _chosen(url, probed, model, served_as)
    engine = EngineSettings(
        model=model or _usual(name, served.id),
        runtime="openai_server",
        url=url,
        served_as=served.id,
        kind=probed.kind,
        context_length=served.context_length,
        api_key_env=key_env,
    )
    shelf.write(home, name, engine)
    return AddedServer(name, engine, probed, there is not None)


def _chosen(url: str, probed: Probed, model: str | None, served_as: str | None) -> Served:
    """The one of the server's models that is meant."""
    names = ", ".join(each.id for each in probed.models[:SHOWN])
    more = len(probed.models) - SHOWN
    listed = f"{names} and {more} more" if more > 0 else names
    if served_as is not None:
        found = probed.model(served_as)
        if found is None:
            raise ConfigError(f"{url} has no model {served_as}; it serves {listed}")
        return found
    if model is not None:
        bare = _bare(model)
        alike = [each for each in probed.models if _bare(each.id) == bare]
        if len(alike) == 1:
            return alike[0]
    if len(probed.models) > 1:
        which = f"has no model {model}" if model else "has several models"
        raise ConfigError(f"{url} {which}; say with --served-as which is meant: {listed}")
    return probed.models[0]


def _usual(name: str, served: str) -> str:
    """The catalogue's id of a model, else the server's where that can be one, else one of our own."""
    wanted = served.lower()
    known = known_models()
    for model in known.values():
        if wanted in (model.id.lower(), *(alias.lower() for alias in model.aliases)):
            return model.id
    alike = [each for each in known if _bare(each) == _bare(served)]
    if len(alike) == 1:
        return alike[0]
    author, slash, slug = wanted.partition("/")
    return wanted if slash and author.strip(".") and "/" not in slug else f"local/{name}"


def _bare(model: str) -> str:
    return model.rpartition("/")[2].lower()

"""The catalogue as it is now: data files, prices and the user's configuration made into endpoints."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from tokenworks.catalog.market import Market
from tokenworks.catalog.offers import DEFAULT_CONTEXT, parameters_at, sold_by
from tokenworks.catalog.parameters import ENGINE, honoured
from tokenworks.catalog.presets import models as known_models
from tokenworks.catalog.presets import preset_env, presets, traits
from tokenworks.catalog.resolve import Catalog, minimal_model
from tokenworks.catalog.schedule import as_utc
from tokenworks.catalog.sellers import LOCAL, WIRES, active
from tokenworks.config.settings import EngineSettings, Settings
from tokenworks.schema import Endpoint, Model, Price, Provider

__all__ = ["EMBEDDED_PRICE", "LOCAL", "WIRES", "Catalog", "load", "preset_env", "refresh_prices"]

EMBEDDED_PRICE = Price(
    id="local/embedded",
    input_mtok=0.0,
    output_mtok=0.0,
    source="run on this machine: nobody bills its tokens",
)
SERVER_PRICE = Price(
    id="local/server",
    input_mtok=0.0,
    output_mtok=0.0,
    source="a server of one's own: nobody bills its tokens",
)


def load(settings: Settings, at: datetime | None = None, *, wires: Collection[str] = WIRES) -> Catalog:
    """Everything that ``settings`` allow to call, at the prices of ``at`` (default: now).

    A provider is in when it speaks any of ``wires``; where its own is none of them, another takes its
    place. Raises ``ConfigError`` naming provider and field of what can't be used.
    """
    models = known_models()
    sellers = active(settings, wires)
    providers = {seller.provider.name: seller.provider for seller in sellers}
    sold = [each for seller in sellers for each in sold_by(seller, models)]
    for each in sold:
        if each.model not in models:
            models[each.model] = minimal_model(each.model, each.provider, each.context_length)
    spelled = {model.lower(): model for model in models}
    local = [_own(name, engine, spelled, models) for name, engine in settings.engines.items()]
    for endpoint in local:
        providers.setdefault(LOCAL, _LOCAL_PROVIDER)
        if endpoint.model not in models:
            models[endpoint.model] = minimal_model(endpoint.model, LOCAL, endpoint.context_length)
    aliases = [
        *((alias, one.model, f"providers.{one.provider}.models") for one in sold for alias in one.aliases),
        *(
            (alias, endpoint.model, f"engines.{endpoint.engine}")
            for endpoint in local
            for alias in settings.engines[endpoint.engine or ""].aliases
        ),
    ]
    return Catalog(
        models, providers, Market(sellers, sold, local, models, as_utc(at or datetime.now(UTC))), aliases
    )


def refresh_prices(catalog: Catalog, at: datetime | None = None) -> bool:
    """Move ``catalog`` to the prices of ``at`` (default: now) in place; whether any listed one changed.

    Cheap until ``catalog.prices_change_at``, so it may be called every minute.
    """
    moment = as_utc(at or datetime.now(UTC))
    due = catalog.prices_change_at
    if due is None or catalog.priced_at <= moment < due:
        return False
    return catalog.move_to(moment)


_LOCAL_PROVIDER = Provider(
    name=LOCAL,
    title="This machine",
    wire="openai_chat",
    base_url="http://127.0.0.1",  # the port is the engine's, known while it runs
    auth="none",
    allow_private=True,
    source="engines of this installation",
    trains_on_prompts=False,
    zero_retention=True,
)


def _own(name: str, engine: EngineSettings, spelled: dict[str, str], models: dict[str, Model]) -> Endpoint:
    return (
        _served(name, engine, spelled, models) if engine.runs_elsewhere else _run_here(name, engine, spelled)
    )


def _served(name: str, engine: EngineSettings, spelled: dict[str, str], models: dict[str, Model]) -> Endpoint:
    """A server that somebody runs for us. What it can do is known where its kind is."""
    model = spelled.get(engine.model.lower(), engine.model)
    known, preset = models.get(model), presets().get(engine.kind)
    context = engine.context_length or (known.context_length if known else DEFAULT_CONTEXT)
    if engine.kind == "llama_cpp":
        parameters = honoured(traits().get(model), ENGINE, constrained=True)
    else:
        parameters = parameters_at(preset, traits().get(model))
    return Endpoint(
        model=model,
        provider=LOCAL,
        upstream_id=name,  # replicas call the model the same, so that name comes with the address
        price=SERVER_PRICE,
        context_length=context,
        engine=name,
        supported_parameters=parameters,
        input_modalities=known.input_modalities if known else ("text",),
        quirks=preset.quirks if preset else (),
    )


def _run_here(name: str, engine: EngineSettings, spelled: dict[str, str]) -> Endpoint:
    model = spelled.get(engine.model.lower(), engine.model)
    return Endpoint(
        model=model,
        provider=LOCAL,
        upstream_id=name,
        price=EMBEDDED_PRICE,
        context_length=engine.context_length,
        engine=name,
        # llama.cpp constrains what it samples, so any model keeps to a schema; it is given text only
        supported_parameters=honoured(traits().get(model), ENGINE, constrained=True),
    )

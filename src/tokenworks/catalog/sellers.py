"""Which providers are active, and how: presets and the user's ``[providers.NAME]`` brought together."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from tokenworks.catalog.parameters import VOCABULARY
from tokenworks.catalog.presets import Preset, presets
from tokenworks.catalog.quirks import unknown_quirk
from tokenworks.config.check import nearest
from tokenworks.config.rules import problem
from tokenworks.config.settings import ProviderModelSettings, ProviderSettings, Settings
from tokenworks.errors import ConfigError
from tokenworks.schema import Provider

WIRES = ("openai_chat", "openai_responses", "anthropic_messages")
LOCAL = "local"  # the provider of our own engines; no other may have the name


class Seller(msgspec.Struct, frozen=True):
    """An active provider, the preset it is made from if any, and the models that the user listed for it."""

    provider: Provider
    preset: Preset | None
    listed: tuple[ProviderModelSettings, ...] = ()


def active(settings: Settings, wires: Collection[str] = WIRES) -> list[Seller]:
    """Every provider that can be called on any of ``wires``; ``ConfigError`` names what can't be used.

    A provider is active when it is enabled and its key is known, or when it needs no key and
    ``[providers.NAME]`` is there. It speaks only those of its wires that are in ``wires``.
    """
    known = presets()
    sellers: list[Seller] = []
    for name in {**known, **settings.providers}:
        given = settings.providers.get(name)
        check(name, given or ProviderSettings(), known.get(name))
        provider = _merge(name, given or ProviderSettings(), known.get(name), name in settings.secrets)
        callable_now = name in settings.secrets or (provider.auth == "none" and given is not None)
        spoken = _on(provider, wires)
        if callable_now and (given is None or given.enabled) and spoken is not None:
            sellers.append(Seller(spoken, known.get(name), given.models if given else ()))
    return sellers


def _on(provider: Provider, wires: Collection[str]) -> Provider | None:
    """``provider`` as it can be called on ``wires``: the first that it speaks is its wire. None: on none."""
    spoken = [
        (wire, base_url)
        for wire, base_url in ((provider.wire, provider.base_url), *provider.more_wires)
        if wire in wires
    ]
    if not spoken:
        return None
    (wire, base_url), *more = spoken
    return msgspec.structs.replace(provider, wire=wire, base_url=base_url, more_wires=tuple(more))


def check(name: str, given: ProviderSettings, preset: Preset | None) -> None:
    """Raise ``ConfigError`` for settings that no provider can be made of, naming provider and field."""
    if name == LOCAL:
        raise ConfigError(f'providers.{LOCAL}: "{LOCAL}" is the name of our own engines; use another name')
    if not name or "/" in name or not name.isprintable() or name != name.strip():
        raise ConfigError(f"providers: {name!r} can't be a provider's name; use letters, digits and '-'")
    if preset is None:
        _check_custom(name, given)
    _check_wires(name, given, preset)
    if complaint := unknown_quirk(given.quirks or ()):
        raise ConfigError(f"providers.{name}.quirks: {complaint}")
    for field in ("base_url", "more_wires", "country", "headers"):
        value = getattr(given, field)
        if value is not None and (complaint := problem(ProviderSettings, field, value)):
            raise ConfigError(f"providers.{name}.{field}: {complaint}")
    _check_models(name, given.models)


def _check_wires(name: str, given: ProviderSettings, preset: Preset | None) -> None:
    further = given.more_wires or {}
    for field, wire in (("wire", given.wire), *(("more_wires", wire) for wire in further)):
        if wire is not None and wire not in WIRES:
            raise ConfigError(f"providers.{name}.{field}: unknown wire {wire!r}; one of {', '.join(WIRES)}")
    if preset is not None and given.wire is not None and given.base_url is None:
        known = (preset.wire, *preset.more_wires, *further)
        if given.wire not in known:
            raise ConfigError(f"providers.{name}: base_url is missing; say where it speaks {given.wire}")


def _check_custom(name: str, given: ProviderSettings) -> None:
    if given.base_url is None:
        raise ConfigError(f'providers.{name}: base_url is missing; add base_url = "https://..."')
    if given.wire is None:
        raise ConfigError(f'providers.{name}: wire is missing; add wire = "{WIRES[0]}"')
    if not given.models and not given.accepts_any_model:
        raise ConfigError(f"providers.{name}: no models; list some or set accepts_any_model = true")


def _check_models(name: str, listed: tuple[ProviderModelSettings, ...]) -> None:
    seen: set[str] = set()
    for position, model in enumerate(listed):
        where = f"providers.{name}.models[{position}]"
        for field in msgspec.structs.fields(ProviderModelSettings):
            value = getattr(model, field.name)
            if value is not None and (complaint := problem(ProviderModelSettings, field.name, value)):
                raise ConfigError(f"{where}.{field.name}: {complaint}")
        if model.id.lower() in seen:
            raise ConfigError(f'{where}.id: "{model.id}" is listed twice; keep one of them')
        seen.add(model.id.lower())
        for word in model.supported_parameters or ():
            if word not in VOCABULARY:
                near = nearest(word, VOCABULARY)
                hint = f"did you mean {near!r}?" if near else f"known: {', '.join(VOCABULARY)}"
                raise ConfigError(f"{where}.supported_parameters: unknown field {word!r}; {hint}")
        if (model.input_mtok is None) != (model.output_mtok is None):
            raise ConfigError(f"{where}: input_mtok and output_mtok go together; set both or neither")
        if model.input_mtok is None and (model.cache_read_mtok, model.cache_write_mtok) != (None, None):
            raise ConfigError(f"{where}: a cache price needs input_mtok and output_mtok beside it")


def _merge(name: str, given: ProviderSettings, preset: Preset | None, has_key: bool) -> Provider:
    """What the user set, else what the preset says, else the default."""
    base = preset or Preset(
        name, name, given.wire or "", given.base_url or "", source="tokenworks.toml", checked=""
    )
    auth = given.auth or base.auth
    if given.auth is None and auth == "none" and has_key:
        auth = "bearer"  # a server of one's own that was given a key after all
    if preset is None and given.auth is None and given.wire == "anthropic_messages":
        auth = "x-api-key"
    wire, base_url, more_wires = _addresses(given, base)
    trains = given.trains_on_prompts
    return Provider(
        name=name,
        title=given.title or base.title,
        wire=wire,
        base_url=base_url,
        country=base.country if given.country is None else given.country,
        auth=auth,
        api_key_env=(given.api_key_env,) if given.api_key_env else base.api_key_env,
        headers=tuple({**base.headers, **given.headers}.items()),
        allow_private=given.allow_private or base.allow_private,
        accepts_any_model=(
            base.accepts_any_model if given.accepts_any_model is None else given.accepts_any_model
        ),
        quirks=base.quirks if given.quirks is None else given.quirks,
        source=base.source,
        checked=base.checked,
        more_wires=more_wires,
        trains_on_prompts=base.trains_on_prompts if trains is None else trains,
        zero_retention=base.zero_retention if given.zero_retention is None else given.zero_retention,
        batch=base.batch if given.base_url is None else None,  # a proxy may not offer it
    )


def _addresses(given: ProviderSettings, base: Preset) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """Wire, its base URL, and the further ones. No URL ends in a slash.

    The user's base URL hides those of the preset, which would lead past it: another region, a proxy.
    """
    wire = given.wire or base.wire
    found = {} if given.base_url else {base.wire: base.base_url, **base.more_wires}
    found.update(given.more_wires or {})
    if given.base_url:
        found[wire] = given.base_url
    urls = {each: url.rstrip("/") for each, url in found.items()}
    base_url = urls.pop(wire)
    return wire, base_url, tuple(urls.items())

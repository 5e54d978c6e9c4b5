"""From what a request says to the endpoints that are asked, in order: models, presets, suffixes, wishes."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from tokenworks.catalog.load import Catalog
from tokenworks.catalog.prices import is_free
from tokenworks.config.settings import RoutingSettings
from tokenworks.errors import BadRequest, Forbidden, TokenworksError, Unauthorized, UnknownModel
from tokenworks.gateway.caller import MAX_LABEL, Caller
from tokenworks.gateway.conversations import first_words
from tokenworks.gateway.plan import Plan
from tokenworks.gateway.way import Way
from tokenworks.ledger.record import Record
from tokenworks.providers.target import Targets
from tokenworks.routing import variant, wishes
from tokenworks.routing.affinity import Affinity
from tokenworks.routing.choose import choose
from tokenworks.routing.health import Health
from tokenworks.routing.leading import leading
from tokenworks.routing.need import Need
from tokenworks.routing.replicas import Replicas
from tokenworks.schema import Endpoint
from tokenworks.wire import pairs
from tokenworks.wire.openai_chat.adapting import excludes_reasoning
from tokenworks.wire.pairing import Asked
from tokenworks.wire.peek import MALFORMED, Fields, raw, text

# A request with none of these, for a model with one endpoint, needs no plan.
PLANNED = frozenset(
    ("models", "provider", "reasoning", "include_reasoning", "fallbacks", "previous_response_id")
)
PRESET = "@preset/"
MAX_MODELS = 32
_CACHELESS = (pairs.EMBEDDINGS, pairs.COUNT)  # not every endpoint offers them, and they leave no prompt there
_DATED = re.compile(r"-20\d{6}$")  # clients name a model by the day of its release
_PREFIXED = "claude-"  # some clients list only what begins so
FREE = "free"
# Types of blocks; the bare words may stand in the arguments of a tool as well.
_IMAGE = re.compile(rb'"type"\s*:\s*"(?:image_url|image|input_image)"')
_FILE = re.compile(rb'"type"\s*:\s*"(?:file|document|input_file)"')
_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")

Allows = Callable[[Endpoint], bool]

_decode_names = msgspec.json.Decoder(list[str] | None).decode
_decode_fallbacks = msgspec.json.Decoder(list[dict[str, msgspec.Raw]] | None).decode
_decode_fields = msgspec.json.Decoder(Fields).decode
_encode = msgspec.json.Encoder().encode


class Chooser:
    """What one worker needs to choose endpoints."""

    def __init__(
        self,
        catalog: Catalog,
        targets: Targets,
        health: Health,
        affinity: Affinity,
        settings: RoutingSettings,
        presets: Mapping[str, Mapping[str, Any]],
        now: Callable[[], float],
    ) -> None:
        self.catalog = catalog
        self.targets = targets
        self.health = health
        self.affinity = affinity
        self.settings = settings
        self.presets = presets
        self.now = now
        self.replicas = Replicas() if settings.prefix else None
        self.draw = random.Random().random  # noqa: S311 - shares of load, no secret

    def with_preset(self, asked: Asked, way: Way) -> Asked:
        """``asked`` with the preset that its model names filled in below what it says itself."""
        model, at, slug = asked.model.partition(PRESET)
        if not at:
            return asked
        preset = self.presets.get(slug)
        if preset is None:
            known = ", ".join(sorted(self.presets)) or "none are set up"
            raise UnknownModel(f"unknown preset '{slug[:MAX_LABEL]}'; presets here: {known}")
        said = _unasked(asked) if asked.stream and not asked.wants_usage else asked.fields
        merged: Fields = {key: raw(value) for key, value in preset.items()} | said
        name = model.rstrip("/") or preset.get("model")
        if not isinstance(name, str) or not name:
            raise BadRequest(f"preset '{slug}' names no model; send 'model': 'MODEL{PRESET}{slug}'")
        merged["model"] = raw(name)
        return way.read(_encode(merged))

    def plan(
        self,
        asked: Asked,
        way: Way,
        caller: Caller,
        record: Record,
        *,
        local_only: bool,
        allows: Allows | None = None,
    ) -> Plan:
        """Which endpoints are asked, and what else is to be done. Raises BadRequest when none is left.

        ``allows`` tells which endpoints the caller's rules permit; None: all.
        """
        fields = asked.fields
        names = self._names(asked)
        wish = wishes.read(fields.get("provider"))
        groups, suffixes = self._groups(names, way, allows, local_only=local_only)
        for suffix in suffixes:
            wish = variant.apply(wish, suffix)
        session = conversation_of(record, fields)
        model = groups[0][0].model
        key = (caller.key.id, model, session) if session else None
        now = self.now()
        kept = self.affinity.of(key, now) if key is not None else None
        need = need_of(asked, record, now, self.draw)
        replicas = self.replicas if way.wire not in _CACHELESS else None
        if replicas is not None and any([len(group) > 1 for group in groups]):
            need = replace(need, lead=leading(fields), session=session)
        chosen = choose(
            groups, wish, need, self.catalog.providers, self.health, kept, self.settings, replicas
        )
        plan = Plan(caller, chosen.endpoints, chosen.strategy)
        plan.replicas = replicas if chosen.equals else None
        plan.excluded = chosen.excluded
        plan.models = len(names)
        plan.strict = bool(wish.require_parameters)
        plan.session = session
        plan.exclude_reasoning = way.wire == pairs.CHAT and excludes_reasoning(fields)
        if not wish.order and way.wire not in _CACHELESS:
            plan.affinity = key
        plan.hedges = self.settings.hedge_percentile > 0
        return plan

    def _groups(
        self, names: Sequence[str], way: Way, allows: Allows | None, *, local_only: bool
    ) -> tuple[list[Sequence[Endpoint]], list[str]]:
        """The endpoints of each of ``names`` that can be asked, and the suffixes that go for all of them.

        Raises what keeps the first of them out when none is left.
        """
        found: list[tuple[Sequence[Endpoint], str]] = []
        refused: TokenworksError | None = None
        for name in names:
            endpoints, suffix = self.find(name)
            if not endpoints:
                continue
            try:
                found.append((self._usable(endpoints, name, way, allows, local_only=local_only), suffix))
            except TokenworksError as error:
                refused = refused or error
        if not found:
            raise refused or unknown(self.catalog, names[0])
        suffixes = [suffix for _, suffix in found if suffix not in ("", FREE)][:1]
        if all(suffix == FREE for _, suffix in found):
            return [endpoints for endpoints, _ in found], [*suffixes, FREE]
        # A free variant among others is free, and they are not.
        groups = [
            [each for each in endpoints if is_free(each.price)] if suffix == FREE else endpoints
            for endpoints, suffix in found
        ]
        return [group for group in groups if group], suffixes

    def _names(self, asked: Asked) -> list[str]:
        names = [asked.model]
        try:
            if "models" in asked.fields:
                names += _decode_names(asked.fields["models"]) or ()
            if "fallbacks" in asked.fields:
                for each in _decode_fallbacks(asked.fields["fallbacks"]) or ():
                    names.append(text(each, "model") or "")
        except MALFORMED:
            raise BadRequest("'models' must be a list of model names, 'fallbacks' one of {model}") from None
        return list(dict.fromkeys(name for name in names if name))[:MAX_MODELS]

    def find(self, name: str) -> tuple[Sequence[Endpoint], str]:
        """Endpoints of the model that ``name`` means, and the suffix that was cut off to find them."""
        found = self.catalog.find(name)
        if found:
            return found, ""
        bare, suffix = variant.split(name)
        undated = _DATED.sub("", bare)
        for spelled in (bare, undated, bare.removeprefix(_PREFIXED), undated.removeprefix(_PREFIXED)):
            found = self.catalog.find(spelled)
            if found:
                return found, suffix
        return (), suffix

    def _usable(
        self,
        endpoints: Sequence[Endpoint],
        name: str,
        way: Way,
        allows: Allows | None,
        *,
        local_only: bool,
    ) -> Sequence[Endpoint]:
        """Those that this caller may use and that can be asked what came on this way. Never empty."""
        if local_only:
            endpoints = [e for e in endpoints if e.engine is not None]
            if not endpoints:
                raise Unauthorized(
                    f"no API key; without one only models run here can be asked, not {name[:MAX_LABEL]}"
                )
        if allows is not None:
            endpoints = [e for e in endpoints if allows(e)]
            if not endpoints:
                raise Forbidden(f"the rules of this API key leave no endpoint of {name[:MAX_LABEL]!r}")
        if way.wire in _CACHELESS:
            endpoints = [e for e in endpoints if e.engine is None and self.targets.serves(e, way.wire)]
            if not endpoints:
                raise BadRequest(f"no provider of '{name[:MAX_LABEL]}' here offers {way.kind}")
        return endpoints


def need_of(asked: Asked, record: Record, now: float, draw: Callable[[], float]) -> Need:
    """What a request needs of an endpoint."""
    fields = asked.fields
    blob = b"".join(bytes(fields[key]) for key in ("messages", "input") if key in fields)
    modalities = set()
    if _IMAGE.search(blob):
        modalities.add("image")
    if _FILE.search(blob):
        modalities.add("file")
    return Need(
        input_tokens=record.uncached_input_tokens,
        max_output_tokens=_limit(fields),
        parameters=_parameters(fields),
        modalities=frozenset(modalities),
        now=now,
        draw=draw,
    )


def conversation_of(record: Record, fields: Fields) -> str:
    """What names the conversation that a request belongs to; empty where nothing tells."""
    return record.session or _text(fields, "prompt_cache_key") or _user(fields) or first_words(fields)


def unknown(catalog: Catalog, model: str) -> TokenworksError:
    """No model is called that: what is called nearly so?"""
    near = catalog.nearest(model)
    hint = f"; nearest: {', '.join(near)}" if near else "; no model is set up yet (see docs/configuration.md)"
    return UnknownModel(f"unknown model '{model[:MAX_LABEL]}'{hint}")


def _unasked(asked: Asked) -> Fields:
    """The fields of a stream as they came: reading them has asked for usage that its caller did not."""
    if "stream_options" not in asked.fields:
        return asked.fields
    fields = dict(asked.fields)
    options = _decode_fields(fields.pop("stream_options"))
    options.pop("include_usage", None)
    return {**fields, "stream_options": raw(options)} if options else fields


def _parameters(fields: Fields) -> frozenset[str]:
    """The names of the request's fields, and what one of them says in its value."""
    names = frozenset(fields)
    wanted = fields.get("response_format")
    if wanted is not None and b'"json_schema"' in bytes(wanted):
        names |= {"structured_outputs"}
    return names


def _user(fields: Fields) -> str:
    """``metadata.user_id`` of the messages wire, in which agents tell their session."""
    if "metadata" not in fields or "max_tokens" not in fields:
        return ""
    try:
        return (text(_decode_fields(fields["metadata"]), "user_id") or "")[:MAX_LABEL]
    except (*MALFORMED, BadRequest):  # its provider will say what is wrong with it
        return ""


def _text(fields: Fields, key: str) -> str:
    return (text(fields, key) or "")[:MAX_LABEL] if key in fields else ""


def _limit(fields: Fields) -> int | None:
    for key in _LIMITS:
        value = fields.get(key)
        if value is not None and bytes(value).isdigit():
            return int(bytes(value)[:12])
    return None

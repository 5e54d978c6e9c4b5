"""What may be wished of ``auto`` for one request: by the request, its headers, its key or the settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import msgspec

from tokenworks.config.auto import AutoSettings, KeyRouting, RouteUse
from tokenworks.config.glob import bad_glob, pattern
from tokenworks.errors import BadRequest
from tokenworks.wire.peek import MALFORMED, Fields

CostTier = Literal["low", "medium", "high", "xhigh", "max"]

FIELDS = ("quality", "max_cost", "cascade", "strong")  # of a request; no provider may see them
PLUGINS = "plugins"
PLUGIN_ID = "auto-router"
QUALITY_HEADER = b"x-tokenworks-quality"
MAX_COST_HEADER = b"x-tokenworks-max-cost"

MAX_COST_USD = 1_000_000.0
MAX_GLOBS = 100
MAX_GLOB_CHARS = 2000  # of one list: compiling it costs the more the longer it is
# From which percentile of cost on a tier begins; it ends where the next one begins.
_TIERS: dict[CostTier, int] = {"low": 0, "medium": 20, "high": 40, "xhigh": 60, "max": 80}
_TIER_WIDTH = 20
_MOST_TRADEOFF = 10  # of the older knob: 0 is the best model, 10 the cheapest

_decode: Any = msgspec.json.Decoder().decode


class Wanted(msgspec.Struct, frozen=True):
    """What one of them says. None, "" and empty: nothing."""

    quality: float | None = None
    max_cost_usd: float | None = None
    cascade: bool | None = None
    buffer: bool | None = None
    allowed: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    cost_tier: CostTier | None = None
    strong: str = ""


class Knobs(msgspec.Struct, frozen=True):
    """What holds for a request, all taken together."""

    quality: float  # 0..1, the least share of the strong model's quality to keep
    max_cost_usd: float | None = None  # of this request
    cascade: bool = True  # a cheap answer may be checked, and another model asked
    buffer: bool = False  # also of a stream, which then begins when its answer is accepted
    allowed: tuple[tuple[str, ...], ...] = ()  # globs of models; each of these lists must let one in
    excluded: tuple[str, ...] = ()  # globs
    cost_tier: CostTier | None = None
    strong: str = ""  # the model to compare with; "": the one predicted to be right most often


NOTHING = Wanted()


def merged(auto: AutoSettings, *wanted: Wanted) -> Knobs:
    """The knobs of ``auto``, turned by each of ``wanted``; the last one has the last word.

    Models are only ever narrowed: they must be allowed by all that say which, and excluded by none.
    """
    layers = [layer for layer in reversed(wanted) if layer is not NOTHING]
    allowed = [layer.allowed for layer in layers if layer.allowed]
    if auto.models:
        allowed.append(auto.models)
    excluded = [glob for layer in layers for glob in layer.excluded]
    return Knobs(
        quality=_first(layers, "quality", auto.quality),
        max_cost_usd=_first(layers, "max_cost_usd", auto.max_cost_usd),
        cascade=_first(layers, "cascade", auto.cascade),
        buffer=_first(layers, "buffer", False),
        allowed=tuple(allowed),
        excluded=tuple(dict.fromkeys((*excluded, *auto.exclude))),
        cost_tier=_first(layers, "cost_tier", None),
        strong=next((layer.strong for layer in layers if layer.strong), auto.strong),
    )


def of_key(key: KeyRouting) -> Wanted:
    """What a key's own defaults say."""
    return Wanted(
        quality=key.quality,
        max_cost_usd=key.max_cost_usd,
        cascade=key.cascade,
        allowed=key.allowed,
        excluded=key.excluded,
    )


def of_rule(use: RouteUse) -> Wanted:
    """What a rule says besides its models."""
    return Wanted(quality=use.quality, max_cost_usd=use.max_cost_usd, cascade=use.cascade, strong=use.strong)


def of_headers(headers: Mapping[bytes, bytes]) -> Wanted:
    """What headers say. Raises BadRequest for one that is malformed."""
    quality, max_cost = headers.get(QUALITY_HEADER), headers.get(MAX_COST_HEADER)
    if quality is None and max_cost is None:
        return NOTHING
    return Wanted(
        quality=_of_header(QUALITY_HEADER, quality, 1.0),
        max_cost_usd=_of_header(MAX_COST_HEADER, max_cost, MAX_COST_USD),
    )


def of_fields(fields: Fields) -> Wanted:
    """What a request says. Raises BadRequest for a field that is malformed."""
    found: dict[str, Any] = {}
    if PLUGINS in fields:
        found = _of_plugin(_plugin(fields[PLUGINS]))
    if "quality" in fields:
        found["quality"] = _number("quality", _read(fields, "quality"), 1.0)
    if "max_cost" in fields:
        found["max_cost_usd"] = _number("max_cost", _read(fields, "max_cost"), MAX_COST_USD)
    if "cascade" in fields:
        found["cascade"], found["buffer"] = _cascade(_read(fields, "cascade"))
    if "strong" in fields:
        found["strong"] = _model("strong", _read(fields, "strong"))
    return Wanted(**found) if found else NOTHING


def narrowed(models: Sequence[tuple[str, float | None]], knobs: Knobs) -> tuple[str, ...]:
    """Those of ``models`` (id, $ of this request; None: not known) that ``knobs`` leave, in their order.

    A tier of cost is a fifth of the percentiles among the models that are left, where the cheapest stands
    at 0 and the dearest at 100. Where it has none those nearest to it are taken. A price that is not known
    counts as dearer than any other.
    """
    allowed = [_fits(globs) for globs in knobs.allowed]
    excluded = _fits(knobs.excluded) if knobs.excluded else None
    left = [
        (model, math.inf if cost is None else cost)
        for model, cost in models
        if all(fits(model.lower()) for fits in allowed)
        and not (excluded is not None and excluded(model.lower()))
    ]
    if knobs.cost_tier is None or len(left) < 2:
        return tuple(model for model, _ in left)
    costs = sorted(cost for _, cost in left)
    least = _TIERS[knobs.cost_tier]
    # Of equals the first one's place counts for all: they are all in a tier or none of them.
    off = {cost: _distance(100 * at / (len(costs) - 1), least) for at, cost in [*enumerate(costs)][::-1]}
    nearest = min(off.values())
    return tuple(model for model, cost in left if off[cost] <= nearest)


def _distance(place: float, least: float) -> float:
    """How far from the tier that begins at ``least`` the percentile ``place`` lies; 0 inside."""
    most = least + _TIER_WIDTH
    if least <= place < most or place == most == 100:
        return 0.0
    return max(least - place, place - most, 1e-9)


@lru_cache(maxsize=256)  # few: callers choose what is in it
def _fits(globs: tuple[str, ...]) -> Callable[[str], object]:
    """Tells whether ``globs`` let a name in lower case through."""
    return pattern(globs).match


# --- of requests --------------------------------------------------------------------------------


def _of_plugin(plugin: dict[str, Any]) -> dict[str, Any]:
    enabled = plugin.get("enabled")
    if enabled is not None and not isinstance(enabled, bool):
        raise BadRequest("'plugins: enabled' must be true or false")
    if enabled is False:
        return {}
    found: dict[str, Any] = {
        "allowed": _globs("plugins: allowed_models", plugin.get("allowed_models")),
        "excluded": _globs("plugins: excluded_models", plugin.get("excluded_models")),
    }
    tradeoff = _number("plugins: cost_quality_tradeoff", plugin.get("cost_quality_tradeoff"), _MOST_TRADEOFF)
    tier = plugin.get("cost_tier")
    if tier is not None:
        if not isinstance(tier, str) or tier not in _TIERS:
            raise BadRequest(f"'plugins: cost_tier' must be one of {', '.join(_TIERS)}")
        found["cost_tier"] = tier
    elif tradeoff is not None:
        found["cost_tier"] = _tier(tradeoff)
    return found


def _tier(tradeoff: float) -> CostTier:
    """The tier for an older knob's place between the best model at any cost (0) and the cheapest (10)."""
    place = 100 * (_MOST_TRADEOFF - tradeoff) / _MOST_TRADEOFF
    return next(tier for tier, least in reversed(_TIERS.items()) if place >= least)


def _plugin(given: msgspec.Raw) -> dict[str, Any]:
    """Our plugin's entry, the last one where it stands there twice; empty without one."""
    plugins = _decoded(PLUGINS, given)
    if plugins is None:
        return {}
    if not isinstance(plugins, list):
        raise BadRequest(f"'{PLUGINS}' must be a list of objects with an id")
    return next((each for each in reversed(plugins) if _is_ours(each)), {})


def _is_ours(plugin: object) -> bool:
    return isinstance(plugin, dict) and plugin.get("id") == PLUGIN_ID


def _cascade(value: object) -> tuple[bool | None, bool | None]:
    """``true``, ``false`` or ``{"buffer": true}``, as whether to and whether to buffer."""
    if value is None or isinstance(value, bool):
        return value, None
    if isinstance(value, dict) and value.keys() <= {"buffer"}:
        buffer = value.get("buffer")
        if buffer is None or isinstance(buffer, bool):
            return True, buffer
    raise BadRequest("'cascade' must be true, false or {\"buffer\": true}")


def _model(name: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or bad_glob(value):
        raise BadRequest(f"'{name}' must be the name of a model")
    return value


def _globs(name: str, value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(each, str) and not bad_glob(each) for each in value):
        raise BadRequest(f"'{name}' must be a list of patterns such as acme/*")
    if len(value) > MAX_GLOBS or sum(map(len, value)) > MAX_GLOB_CHARS:
        raise BadRequest(f"'{name}' must have at most {MAX_GLOBS} patterns and {MAX_GLOB_CHARS} characters")
    return tuple(value)


def _number(name: str, value: object, most: float) -> float | None:
    if value is None:
        return None
    # A whole number may be too long for a float: it is compared before it is turned into one.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise BadRequest(f"'{name}' must be a number from 0 to {most:.0f}")
    return float(value)


def _of_header(name: bytes, value: bytes | None, most: float) -> float | None:
    if value is None:
        return None
    try:
        number = float(value) if len(value) <= 32 else math.nan
    except ValueError:
        number = math.nan
    if not 0 <= number <= most:
        raise BadRequest(f"header '{name.decode()}' must be a number from 0 to {most:.0f}")
    return number


def _read(fields: Fields, name: str) -> Any:
    return _decoded(name, fields[name])


def _decoded(name: str, given: msgspec.Raw) -> Any:
    try:
        return _decode(given)
    except MALFORMED as error:
        raise BadRequest(f"'{name}' is malformed: {error}") from None


def _first(layers: Sequence[Wanted], name: str, default: Any) -> Any:
    """What the first of ``layers`` that says something about ``name`` says."""
    return next((value for layer in layers if (value := getattr(layer, name)) is not None), default)

"""Which endpoints may serve a request at all, and what keeps the others out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from tokenworks.catalog.parameters import VOCABULARY
from tokenworks.catalog.prices import UNKNOWN_PRICE, is_free
from tokenworks.errors import BadRequest, TokenworksError
from tokenworks.routing.need import Need
from tokenworks.routing.wishes import NONE, MaxPrice, Wishes
from tokenworks.schema import Endpoint, Price, Provider

MAX_NAMED = 8  # endpoints that a refusal names

_TEXT = ("text",)  # the catalogue's default: it may be that nobody looked
# What the wires call the same thing, by the words of ``supported_parameters`` for it.
_SAME = {
    "max_tokens": ("max_tokens", "max_completion_tokens"),
    "max_completion_tokens": ("max_tokens", "max_completion_tokens"),
    "max_output_tokens": ("max_tokens", "max_completion_tokens"),
    "stop_sequences": ("stop",),
    "thinking": ("reasoning",),
}
# Other fields are no parameters: the gateway's own, or such as every endpoint reads.
_PARAMETERS: dict[str, tuple[str, ...]] = {name: (name,) for name in VOCABULARY} | _SAME

Barrier = tuple[str, str]  # the wish or limit, and a sentence


class Excluded(msgspec.Struct, frozen=True):
    """One endpoint that may not serve the request. ``by`` names the wish or limit, ``why`` is for people."""

    tag: str
    model: str
    by: str
    why: str


def eligible(
    endpoints: Sequence[Endpoint], wishes: Wishes, need: Need, providers: Mapping[str, Provider]
) -> tuple[list[Endpoint], list[Excluded]]:
    """Those of ``endpoints`` that may serve, in their order, and those that may not."""
    left: list[Endpoint] = []
    excluded: list[Excluded] = []
    for endpoint in endpoints:
        barrier = None
        if wishes is not NONE:
            provider = providers.get(endpoint.provider)
            barrier = _unnamed(endpoint, wishes, provider) or _unwanted(endpoint, wishes, need, provider)
        barrier = barrier or _unable(endpoint, need)
        if barrier is None:
            left.append(endpoint)
        else:
            excluded.append(Excluded(endpoint.tag, endpoint.model, *barrier))
    return left, excluded


def names(endpoint: Endpoint, provider: Provider | None) -> tuple[str, ...]:
    """What a caller may call it, in lower case: provider, its title, and the tag."""
    own = endpoint.provider.lower(), endpoint.tag.lower()
    return own if provider is None else (*own, provider.title.lower())


def refusal(excluded: Sequence[Excluded]) -> TokenworksError:
    """The error when nothing is left: each endpoint, and what keeps it out."""
    models = dict.fromkeys(each.model for each in excluded)
    reasons = [f"{_called(each, models)}: {each.why}" for each in excluded[:MAX_NAMED]]
    if len(excluded) > MAX_NAMED:
        reasons.append(f"and {len(excluded) - MAX_NAMED} more")
    told = [
        {"endpoint": each.tag, "model": each.model, "constraint": each.by, "reason": each.why}
        for each in excluded
    ]
    text = f"no endpoint of {' or '.join(models)} may serve this request: {'; '.join(reasons)}"
    return BadRequest(text, excluded_by=told)


def _called(each: Excluded, models: Collection[str]) -> str:
    return f"{each.tag} ({each.model})" if len(models) > 1 else each.tag


def _unnamed(endpoint: Endpoint, wishes: Wishes, provider: Provider | None) -> Barrier | None:
    """Kept out by its name."""
    if not (wishes.only or wishes.ignore or (wishes.order and not wishes.allow_fallbacks)):
        return None
    called = names(endpoint, provider)
    if wishes.only and not _any(called, wishes.only):
        return "only", "not named in 'only'"
    if _any(called, wishes.ignore):
        return "ignore", "named in 'ignore'"
    if wishes.order and not wishes.allow_fallbacks and not _any(called, wishes.order):
        return "order", "not named in 'order', and 'allow_fallbacks' is false"
    return None


def _any(called: Iterable[str], wished: Collection[str]) -> bool:
    return any(name in wished for name in called)


def _unwanted(endpoint: Endpoint, wishes: Wishes, need: Need, provider: Provider | None) -> Barrier | None:
    """Kept out by what it is."""
    if endpoint.engine is None:  # with our own engines nothing leaves the house
        if wishes.deny_data_collection and (provider is None or provider.trains_on_prompts is not False):
            trains = provider is not None and provider.trains_on_prompts
            why = "may train on prompts" if trains else "not known to keep prompts out of training"
            return "data_collection", f"{why}, and 'data_collection' is \"deny\""
        if wishes.zdr and (provider is None or not provider.zero_retention):
            return "zdr", "not known to retain nothing, and 'zdr' is true"
    if wishes.quantizations and (endpoint.quantization.lower() or "unknown") not in wishes.quantizations:
        return "quantizations", f"quantization is {endpoint.quantization or 'unknown'}"
    if wishes.free and not is_free(endpoint.price):
        return "free", "not free of charge"
    if wishes.max_price is not None:
        why = _too_dear(endpoint.price, wishes.max_price, need.input_tokens)
        if why:
            return "max_price", why
    if wishes.require_parameters:
        return _lacking(endpoint, need.parameters)
    return None


def _too_dear(price: Price, limit: MaxPrice, input_tokens: int) -> str:
    """Why ``price`` is above ``limit`` for that much input; "" when it is not."""
    if price.id == UNKNOWN_PRICE.id:
        return "its price is not known, and 'max_price' is set"
    prompt, completion = price.input_mtok, price.output_mtok
    for tier in price.tiers:
        if input_tokens > tier.above_input_tokens:
            prompt, completion = tier.input_mtok, tier.output_mtok
    if limit.prompt is not None and prompt > limit.prompt:
        return f"input costs ${prompt:g}/M, max_price.prompt is {limit.prompt:g}"
    if limit.completion is not None and completion > limit.completion:
        return f"output costs ${completion:g}/M, max_price.completion is {limit.completion:g}"
    if limit.request is not None and price.request_usd > limit.request:
        return f"a request costs ${price.request_usd:g}, max_price.request is {limit.request:g}"
    return ""


def _lacking(endpoint: Endpoint, parameters: frozenset[str]) -> Barrier | None:
    used = parameters.intersection(_PARAMETERS)
    if not used:
        return None
    if endpoint.supported_parameters is None:
        return "require_parameters", "not known which parameters it supports"
    missing = sorted(unsupported(used, endpoint.supported_parameters))
    return ("require_parameters", f"does not support {', '.join(missing)}") if missing else None


def unsupported(parameters: frozenset[str], supported: Collection[str]) -> list[str]:
    """Those of ``parameters`` that ``supported`` holds under none of their names."""
    return [
        name
        for name in parameters
        if name in _PARAMETERS and not any(word in supported for word in _PARAMETERS[name])
    ]


def _unable(endpoint: Endpoint, need: Need) -> Barrier | None:
    """Kept out by what it can't do. The length is an estimate, so only twice too much is sure."""
    if need.input_tokens > 2 * endpoint.context_length:
        return (
            "context_length",
            f"about {need.input_tokens} tokens of input, its context is {endpoint.context_length}",
        )
    most = endpoint.max_output_tokens
    if most is not None and need.max_output_tokens is not None and need.max_output_tokens > most:
        return "max_tokens", f"gives at most {most} tokens, {need.max_output_tokens} are asked for"
    if need.modalities and endpoint.input_modalities != _TEXT:
        missing = sorted(need.modalities.difference(endpoint.input_modalities))
        if missing:
            return "modalities", f"takes no {', '.join(missing)} input"
    return None

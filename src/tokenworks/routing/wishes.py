"""A caller's own wishes about providers: the ``provider`` object of a request."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.wire.peek import MALFORMED

Sort = Literal["price", "throughput", "latency", "exacto"]
Partition = Literal["model", "none"]


class MaxPrice(msgspec.Struct, frozen=True):
    """The most that may be charged: $ per million tokens, and $ a request. None: no limit.

    Images and audio have no prices of their own here, so limits on them are read and never reached.
    """

    prompt: float | None = None
    completion: float | None = None
    request: float | None = None


class Cutoffs(msgspec.Struct, frozen=True):
    """Percentiles that a measure should keep; None: no wish."""

    p50: float | None = None
    p75: float | None = None
    p90: float | None = None
    p99: float | None = None


class Wishes(msgspec.Struct, frozen=True):
    """What was wished, in one form: names in lower case, empty where nothing was said.

    Names are of providers ("acme") or of single endpoints ("acme/fp8"). ``free`` comes from the model's
    suffix only.
    """

    order: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    allow_fallbacks: bool = True
    require_parameters: bool = False
    deny_data_collection: bool = False
    zdr: bool = False
    quantizations: tuple[str, ...] = ()
    sort: Sort | None = None
    partition: Partition = "model"
    max_price: MaxPrice | None = None
    min_throughput: Cutoffs | None = None  # tokens/s
    max_latency: Cutoffs | None = None  # s to the first token
    free: bool = False


NONE = Wishes()


class _SortObject(msgspec.Struct, frozen=True):
    by: Sort | None = None
    partition: Partition | None = None


class _Prices(msgspec.Struct, frozen=True):
    prompt: float | str | None = None
    completion: float | str | None = None
    request: float | str | None = None
    image: float | str | None = None
    audio: float | str | None = None


class _Sent(msgspec.Struct, frozen=True):
    """The object as it is sent. Fields that are not here are let pass: there are ever more of them."""

    order: tuple[str, ...] | None = None
    only: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    allow_fallbacks: bool | None = None
    require_parameters: bool | None = None
    data_collection: Literal["allow", "deny"] | None = None
    zdr: bool | None = None
    quantizations: tuple[str, ...] | None = None
    sort: Sort | _SortObject | None = None
    max_price: _Prices | None = None
    preferred_min_throughput: float | Cutoffs | None = None
    preferred_max_latency: float | Cutoffs | None = None


class _Retention(msgspec.Struct, frozen=True):
    zdr: object = None


_decode = msgspec.json.Decoder(_Sent | None).decode
_decode_retention = msgspec.json.Decoder(_Retention | None).decode


def read(raw: msgspec.Raw | None) -> Wishes:
    """The wishes in ``raw``; ``NONE`` itself where there are none. Raises BadRequest for a wrong type."""
    if raw is None:
        return NONE
    try:
        sent = _decode(raw)
    except MALFORMED as error:
        raise BadRequest(f"'provider' is malformed: {error}") from None
    if sent is None:
        return NONE
    sort = sent.sort if isinstance(sent.sort, _SortObject) else _SortObject(by=sent.sort)
    wishes = Wishes(
        order=_lower(sent.order),
        only=_lower(sent.only),
        ignore=_lower(sent.ignore),
        allow_fallbacks=sent.allow_fallbacks is not False,
        require_parameters=sent.require_parameters is True,
        deny_data_collection=sent.data_collection == "deny",
        zdr=sent.zdr is True,
        quantizations=_lower(sent.quantizations),
        sort=sort.by,
        partition=sort.partition or "model",
        max_price=None if sent.max_price is None else _prices(sent.max_price),
        min_throughput=_cutoffs(sent.preferred_min_throughput),
        max_latency=_cutoffs(sent.preferred_max_latency),
    )
    return NONE if wishes == NONE else wishes


def retains_nothing(raw: msgspec.Raw) -> bool:
    """Whether ``provider`` asks for providers that retain nothing; False where it can't be read."""
    try:
        sent = _decode_retention(raw)
    except MALFORMED:
        return False
    return sent is not None and sent.zdr is True


def _lower(names: tuple[str, ...] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip().lower() for name in names)) if names else ()


def _cutoffs(given: float | Cutoffs | None) -> Cutoffs | None:
    """A bare number is meant for the median."""
    cutoffs = given if isinstance(given, Cutoffs) else Cutoffs(p50=given)
    return None if cutoffs == Cutoffs() else cutoffs


def _prices(sent: _Prices) -> MaxPrice | None:
    limits = {name: _dollars(name, getattr(sent, name)) for name in sent.__struct_fields__}
    known = MaxPrice(**{name: limits[name] for name in MaxPrice.__struct_fields__})
    return None if known == MaxPrice() else known


def _dollars(name: str, given: float | str | None) -> float | None:
    if given is None:
        return None
    try:
        dollars = float(given)
    except ValueError:
        dollars = math.nan
    if not 0 <= dollars < math.inf:
        raise BadRequest(f"'provider' is malformed: max_price.{name} must be a number of dollars, 0 or more")
    return dollars

"""The data files: ``models/AUTHOR.toml`` and ``providers/NAME.toml`` as checked structs.

Every file and every price row says where it is from and when that was read. Nothing here knows the
user's configuration; :mod:`tokenworks.catalog.load` brings the two together.
"""

from __future__ import annotations

import tomllib
from datetime import date
from functools import cache
from pathlib import Path
from typing import TypeVar

import msgspec

from tokenworks.catalog.parameters import Traits, understood
from tokenworks.catalog.schedule import PriceRow, Schedule
from tokenworks.schema import BatchApi, Model, Price, PriceTier

_FOLDER = Path(__file__).parent

S = TypeVar("S", bound=msgspec.Struct)


class OwnPrice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A price row of ours, in $ per million tokens, in force from ``start`` (ISO date; empty: always)."""

    input_mtok: float
    output_mtok: float
    source: str
    checked: str
    cache_read_mtok: float | None = None
    cache_write_mtok: float | None = None
    tiers: tuple[PriceTier, ...] = ()
    start: str = ""


class Offer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model that a provider sells.

    Its price is ``prices`` where we keep rows of our own, else that of the row named ``price_ref`` (by
    default ``upstream_id``) of the provider's table in genai-prices.
    """

    model: str
    upstream_id: str = ""  # empty: the same as ``model``
    price_ref: str = ""
    prices: tuple[OwnPrice, ...] = ()
    context_length: int = 0  # 0: what the model's row says
    max_output_tokens: int | None = None
    quantization: str = ""  # of the weights, where documented
    quirks: tuple[str, ...] = ()  # besides those of the provider
    without: tuple[str, ...] = ()  # fields, or groups of them, that it does not honour though others here do
    wires: tuple[str, ...] = ()  # the provider's wires that serve it; empty: all

    @property
    def sold_as(self) -> str:
        """What the provider calls the model."""
        return self.upstream_id or self.model


class Preset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A provider that we know: ``providers/NAME.toml``."""

    name: str
    title: str
    wire: str
    base_url: str
    source: str
    checked: str
    country: str = ""  # seat of the company that runs it; empty where you run it yourself
    auth: str = "bearer"
    api_key_env: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    allow_private: bool = False
    accepts_any_model: bool = False
    no_charge: bool = False  # your own server: nobody bills you per token
    quirks: tuple[str, ...] = ()
    genai_prices: str = ""  # id of its table there; empty: it has none
    free_suffix: str = ""  # models so named are not charged
    more_wires: dict[str, str] = {}  # further protocols it speaks: wire → base URL
    parameters: tuple[str, ...] = ()  # request fields that it passes on; empty: unknown
    constrains_output: bool = False  # its sampler enforces JSON schemas, whatever the model
    trains_on_prompts: bool | None = None  # by default, with a paid key; None: not known
    zero_retention: bool = False  # by default, without asking for it
    data_source: str = ""  # where it says so
    batch: BatchApi | None = None
    same_ids: tuple[str, ...] = ()  # models sold under our own ids, priced by genai-prices
    models: tuple[Offer, ...] = ()

    @property
    def offers(self) -> tuple[Offer, ...]:
        """All models it sells."""
        return (*self.models, *(Offer(model) for model in self.same_ids))


class ModelRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model in ``models/AUTHOR.toml``; what it leaves out is unknown."""

    id: str
    name: str
    context_length: int
    source: str
    max_output_tokens: int | None = None
    input_modalities: tuple[str, ...] = ("text",)
    output_modalities: tuple[str, ...] = ("text",)
    open_weights: bool = False
    total_params_b: float | None = None
    active_params_b: float | None = None
    released: str = ""
    aliases: tuple[str, ...] = ()
    features: tuple[str, ...] | None = None  # words of ``parameters.FEATURES``; None: unknown
    without: tuple[str, ...] = ()  # fields, or groups of them, that other models take and it does not


class AuthorFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``models/AUTHOR.toml``: who made the models, where that company sits, and the models."""

    author: str
    name: str
    country: str
    checked: str
    models: tuple[ModelRow, ...]


@cache
def presets() -> dict[str, Preset]:
    """Every known provider by name. Parsed once a process."""
    found = (_read(file, Preset) for file in sorted((_FOLDER / "providers").glob("*.toml")))
    return {preset.name: preset for preset in found}


def preset_env() -> dict[str, tuple[str, ...]]:
    """For every known provider the environment variables that its key may be in; none: it needs no key."""
    return {name: preset.api_key_env for name, preset in presets().items()}


@cache
def authors() -> dict[str, AuthorFile]:
    """Every author file by author. Parsed once a process."""
    found = (_read(file, AuthorFile) for file in sorted((_FOLDER / "models").glob("*.toml")))
    return {each.author: each for each in found}


def models() -> dict[str, Model]:
    """Every known model by id."""
    return {row.id: _model(author, row) for author in authors().values() for row in author.models}


@cache
def traits() -> dict[str, Traits]:
    """What each model can do, by id; models of which that is unknown are left out."""
    rows = (row for author in authors().values() for row in author.models)
    return {row.id: Traits(row.features, row.without) for row in rows if row.features is not None}


def own_schedule(provider: str, offer: Offer) -> Schedule:
    """Our own price rows of ``offer``, as a schedule."""
    return Schedule(
        tuple(
            PriceRow(_own_price(provider, offer, row), date.fromisoformat(row.start) if row.start else None)
            for row in offer.prices
        )
    )


def _own_price(provider: str, offer: Offer, row: OwnPrice) -> Price:
    return Price(
        id=f"tokenworks/{provider}/{offer.sold_as}@{row.start or row.checked}",
        input_mtok=row.input_mtok,
        output_mtok=row.output_mtok,
        cache_read_mtok=row.cache_read_mtok,
        cache_write_mtok=row.cache_write_mtok,
        tiers=row.tiers,
        source=row.source,
        checked=row.checked,
    )


def _model(author: AuthorFile, row: ModelRow) -> Model:
    return Model(
        id=row.id,
        name=row.name,
        author=author.author,
        country=author.country,
        context_length=row.context_length,
        max_output_tokens=row.max_output_tokens,
        input_modalities=row.input_modalities,
        output_modalities=row.output_modalities,
        open_weights=row.open_weights,
        total_params_b=row.total_params_b,
        active_params_b=row.active_params_b,
        released=row.released,
        aliases=row.aliases,
        source=row.source,
        supported_parameters=(
            None if row.features is None else understood(Traits(row.features, row.without))
        ),
    )


def _read(file: Path, kind: type[S]) -> S:
    """A data file of ours; a mistake in it is a bug, so it is raised as it is, with the file's name."""
    try:
        return msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), kind)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"{file.name}: {error}") from error

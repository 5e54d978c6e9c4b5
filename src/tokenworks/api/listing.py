"""Which models a list shows, in which order, and which page of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from pydantic import BaseModel, Field

from tokenworks.api.endpoint_card import keeps_nothing
from tokenworks.api.model_card import honoured
from tokenworks.catalog.load import Catalog
from tokenworks.errors import BadRequest
from tokenworks.schema import Endpoint, Model

DEFAULT_LIMIT = 500
MAX_LIMIT = 1000
MAX_OFFSET = 1_000_000
MAX_TEXT = 1000  # characters of a filter
DAY_S = 86_400
BY_USE = ("top-weekly", "most-popular")
SORTS = ("newest", "pricing-low-to-high", "pricing-high-to-low", "context-high-to-low", *BY_USE)


class Query(BaseModel):
    """The query of a list of models. Filters by what nobody here knows of a model are not read at all."""

    offset: int | None = Field(None, ge=0, le=MAX_OFFSET)
    limit: int | None = Field(None, ge=1, le=MAX_LIMIT, description="everything without it")
    after_id: str | None = Field(None, max_length=MAX_TEXT, description="go on behind this model")
    before_id: str | None = Field(None, max_length=MAX_TEXT, description="what stands before this model")
    q: str | None = Field(None, max_length=MAX_TEXT, description="part of an id or a name")
    supported_parameters: str | None = Field(
        None, max_length=MAX_TEXT, description="request fields, by commas, that one endpoint honours"
    )
    input_modalities: str | None = Field(None, max_length=MAX_TEXT, description="all of these, by commas")
    output_modalities: str | None = Field(
        None, max_length=MAX_TEXT, description="any of these, by commas; without it all models"
    )
    context: int | None = Field(None, ge=1, le=10**12, description="tokens, at least")
    min_price: float | None = Field(None, ge=0, allow_inf_nan=False, description="$ per million of input")
    max_price: float | None = Field(None, ge=0, allow_inf_nan=False)
    min_output_price: float | None = Field(None, ge=0, allow_inf_nan=False)
    max_output_price: float | None = Field(None, ge=0, allow_inf_nan=False)
    min_age_days: int | None = Field(None, ge=0, le=10**6)
    max_age_days: int | None = Field(None, ge=0, le=10**6)
    arch: str | None = Field(None, max_length=MAX_TEXT, description="part of a name, such as a family")
    model_authors: str | None = Field(None, max_length=MAX_TEXT, description="any of these, by commas")
    providers: str | None = Field(None, max_length=MAX_TEXT, description="any of these, by commas")
    zdr: str | None = Field(
        None, max_length=MAX_TEXT, description="true: with an endpoint that keeps nothing"
    )
    sort: str | None = Field(None, max_length=MAX_TEXT, description=f"{', '.join(SORTS)}; else by id")
    client_version: str | None = Field(
        None, max_length=MAX_TEXT, description="adds `models`, the list that the Codex client reads"
    )

    @property
    def paged(self) -> bool:
        """Whether less than everything is asked for."""
        return any(each is not None for each in (self.offset, self.limit, self.after_id, self.before_id))


class Row(NamedTuple):
    """A model with its endpoints, cheapest first; there is at least one."""

    model: Model
    endpoints: tuple[Endpoint, ...]


class Page(NamedTuple):
    """A part of a list that has ``total`` rows. ``more``: others follow in the direction asked for."""

    rows: Sequence[Row]
    total: int
    more: bool
    next_offset: int | None


def rows(catalog: Catalog) -> list[Row]:
    """Every model that can be called, by id."""
    return [
        Row(catalog.models[name], endpoints)
        for name, endpoints in sorted(catalog.endpoints.items())
        if endpoints
    ]


def select(catalog: Catalog, query: Query, now_s: float | None = None) -> list[Row]:
    """The rows that pass every filter of ``query``, by id."""
    now_s = time.time() if now_s is None else now_s
    tests = [*_of_model(query, now_s), *_of_endpoints(catalog, query)]
    return [row for row in rows(catalog) if all(passes(row) for passes in tests)]


def arrange(found: Sequence[Row], sort: str | None, used: Mapping[str, int]) -> list[Row]:
    """``found`` in the order ``sort``, equals as they were; ``used`` are the tokens of each model."""
    if sort == "newest":
        return sorted(found, key=lambda row: row.model.released, reverse=True)
    if sort == "context-high-to-low":
        return sorted(found, key=lambda row: max(e.context_length for e in row.endpoints), reverse=True)
    if sort == "pricing-low-to-high":
        return sorted(found, key=_mean_price)
    if sort == "pricing-high-to-low":
        return sorted(found, key=_mean_price, reverse=True)
    if sort in BY_USE:
        return sorted(found, key=lambda row: used.get(row.model.id, 0), reverse=True)
    return list(found)


def page(found: Sequence[Row], query: Query) -> Page:
    """The part of ``found`` that ``query`` asks for. Raises BadRequest for an unknown cursor."""
    total = len(found)
    limit = (query.limit or DEFAULT_LIMIT) if query.paged else total
    if query.before_id is not None:
        end = _position(found, query.before_id, "before_id")
        start = max(0, end - limit)
        return Page(found[start:end], total, start > 0, None)
    start = query.offset or 0
    if query.after_id is not None:
        start = _position(found, query.after_id, "after_id") + 1
    end = start + limit
    return Page(found[start:end], total, end < total, end if end < total else None)


def _position(found: Sequence[Row], name: str, field: str) -> int:
    for position, row in enumerate(found):
        if row.model.id == name:
            return position
    raise BadRequest(f"'{field}' is no model of this list; send an id that an earlier page had")


Passes = Callable[[Row], bool]


def _of_model(query: Query, now_s: float) -> Iterable[Passes]:
    for text in (query.q, query.arch):
        if text:
            yield _named(text.lower())
    if authors := _words(query.model_authors):
        yield lambda row: row.model.author.lower() in authors
    if inputs := _words(query.input_modalities):
        yield lambda row: inputs <= set(row.model.input_modalities)
    if (outputs := _words(query.output_modalities)) and "all" not in outputs:
        yield lambda row: not outputs.isdisjoint(row.model.output_modalities)
    if query.min_age_days is not None:
        youngest = now_s - query.min_age_days * DAY_S
        yield lambda row: (born := _born_s(row.model)) is not None and born <= youngest
    if query.max_age_days is not None:
        oldest = now_s - query.max_age_days * DAY_S
        yield lambda row: (born := _born_s(row.model)) is not None and born >= oldest


def _of_endpoints(catalog: Catalog, query: Query) -> Iterable[Passes]:
    if fields := _words(query.supported_parameters):
        yield lambda row: any(fields <= set(honoured(row.model, each) or ()) for each in row.endpoints)
    if (least := query.context) is not None:
        yield lambda row: any(each.context_length >= least for each in row.endpoints)
    if (cheap := query.min_price) is not None:
        yield lambda row: row.endpoints[0].price.input_mtok >= cheap
    if (dear := query.max_price) is not None:
        yield lambda row: row.endpoints[0].price.input_mtok <= dear
    if (cheap_out := query.min_output_price) is not None:
        yield lambda row: row.endpoints[0].price.output_mtok >= cheap_out
    if (dear_out := query.max_output_price) is not None:
        yield lambda row: row.endpoints[0].price.output_mtok <= dear_out
    if sellers := _words(query.providers):
        named = {
            name
            for name, provider in catalog.providers.items()
            if name in sellers or provider.title.lower() in sellers
        }
        yield lambda row: any(each.provider in named for each in row.endpoints)
    if query.zdr == "true":
        yield lambda row: any(keeps_nothing(each, catalog.providers) for each in row.endpoints)


def _named(part: str) -> Passes:
    return lambda row: part in row.model.id.lower() or part in row.model.name.lower()


def _words(text: str | None) -> set[str]:
    return {word for each in (text or "").lower().split(",") if (word := each.strip())}


def _born_s(model: Model) -> float | None:
    if not model.released:
        return None
    return datetime.fromisoformat(model.released).replace(tzinfo=UTC).timestamp()


def _mean_price(row: Row) -> float:
    price = row.endpoints[0].price
    return price.input_mtok + price.output_mtok

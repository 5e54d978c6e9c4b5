"""One request of the ledger in the parts that a page shows: what was asked, met, used and paid."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tokenworks.catalog.load import Catalog
from tokenworks.ledger.record import Record
from tokenworks.schema import NANO_USD, Price, Usage


class Attempt(msgspec.Struct, frozen=True):
    """One try at an endpoint: ``met`` is a status, a kind of failure, or "ok"."""

    provider: str
    title: str
    met: str
    ok: bool


class Charge(msgspec.Struct, frozen=True):
    """Tokens of one class at their price: ``name`` is "uncached" "cache_read" "cache_write" "output"."""

    name: str
    tokens: int
    price_mtok: float | None  # $ per million; None: the price that was charged is no longer known
    cost_usd: float | None


class RequestView(msgspec.Struct, frozen=True):
    """The record with what follows from it."""

    record: Record
    key_name: str
    provider_title: str
    attempts: tuple[Attempt, ...]
    charges: tuple[Charge, ...]
    cost_usd: float
    tokens_per_s: float | None  # of a stream, from its first token on
    price_source: str  # where the price is from, "" where that is no longer known

    @property
    def moved(self) -> bool:
        """Another model than the requested one answered."""
        record = self.record
        return bool(record.model) and record.model != record.requested_model


def view(record: Record, catalog: Catalog, names: Mapping[str, str]) -> RequestView:
    """``record`` with the titles of ``catalog`` and the names of keys."""
    price = _price(record, catalog)
    return RequestView(
        record,
        names.get(record.key_id, ""),
        title(record.provider, catalog),
        tuple(_attempts(record, catalog)),
        tuple(_charges(record, price)),
        record.cost_nano_usd / NANO_USD,
        _rate(record),
        price.source if price is not None else "",
    )


def title(tag: str, catalog: Catalog) -> str:
    """How the provider of an endpoint is called; one that is gone keeps the name it had here."""
    name = tag.partition("/")[0]
    provider = catalog.providers.get(name)
    return provider.title if provider is not None else name


def _attempts(record: Record, catalog: Catalog) -> list[Attempt]:
    """What each try met, in order: ``record.reasons``, and the one that answered."""
    made = []
    for reason in record.reasons.split():
        tag, _, met = reason.rpartition(":")
        made.append(Attempt(tag, title(tag, catalog), met, met == "ok"))
    if record.outcome == "ok" and record.provider and len(made) < record.attempts:
        made.append(Attempt(record.provider, title(record.provider, catalog), "ok", True))
    return made


def _charges(record: Record, price: Price | None) -> list[Charge]:
    used = {
        "uncached": record.uncached_input_tokens,
        "cache_read": record.cache_read_tokens,
        "cache_write": record.cache_write_tokens,
        "output": record.output_tokens,
    }
    mtok = _at(price, sum(used.values()) - record.output_tokens) if price is not None else {}
    return [
        Charge(name, tokens, mtok.get(name), tokens * mtok[name] / 1e6 if name in mtok else None)
        for name, tokens in used.items()
    ]


def _at(price: Price, input_tokens: int) -> dict[str, float]:
    """$ per million of each class for a request of so many input tokens."""
    tiers = [tier for tier in price.tiers if input_tokens > tier.above_input_tokens]
    row = tiers[-1] if tiers else price
    read, write = row.cache_read_mtok, row.cache_write_mtok
    return {
        "uncached": row.input_mtok,
        "cache_read": row.input_mtok if read is None else read,
        "cache_write": row.input_mtok if write is None else write,
        "output": row.output_mtok,
    }


def _price(record: Record, catalog: Catalog) -> Price | None:
    """The price that was charged, where it still stands and explains what was charged."""
    for endpoint in catalog.endpoints.get(record.model, ()):
        if endpoint.price.id == record.price_id:
            used = Usage(
                record.uncached_input_tokens,
                record.cache_read_tokens,
                record.cache_write_tokens,
                record.output_tokens,
            )
            same = endpoint.price.cost_nano_usd(used) == record.cost_nano_usd
            return endpoint.price if same else None
    return None


def _rate(record: Record) -> float | None:
    """Output tokens a second."""
    span_us = record.latency_us - record.ttft_us
    if not record.stream or not record.ttft_us or span_us <= 0 or record.output_tokens < 2:
        return None
    return record.output_tokens * 1e6 / span_us

"""The words every room speaks: frozen structs, no behaviour beyond arithmetic.

Tokens are counted in disjoint classes, money in integer nano-dollars ($1 = 1_000_000_000),
prices in dollars per million tokens, times in the unit their name ends in.
"""

from __future__ import annotations

import math

import msgspec

NANO_USD = 1_000_000_000


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens of one request. The three input classes are disjoint; reasoning is a part of output."""

    uncached_input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def input_tokens(self) -> int:
        """All input: uncached + cache read + cache write."""
        return self.uncached_input_tokens + self.cache_read_tokens + self.cache_write_tokens


class PriceTier(msgspec.Struct, frozen=True, gc=False):
    """Prices that replace the base ones when a request's input exceeds ``above_input_tokens``."""

    above_input_tokens: int
    input_mtok: float
    output_mtok: float
    cache_read_mtok: float | None = None
    cache_write_mtok: float | None = None


class Price(msgspec.Struct, frozen=True):
    """What an endpoint charges, in $ per million tokens, with where and when that was read.

    ``cache_read_mtok`` and ``cache_write_mtok`` of None mean "charged like other input".
    ``id`` names this very row in the ledger, so that a cost can be checked years later.
    """

    id: str
    input_mtok: float
    output_mtok: float
    cache_read_mtok: float | None = None
    cache_write_mtok: float | None = None
    request_usd: float = 0.0
    tiers: tuple[PriceTier, ...] = ()
    source: str = ""
    checked: str = ""  # ISO date
    pico_usd: tuple[int, int, int, int, int] = ()  # type: ignore[assignment]  # derived, see below

    def __post_init__(self) -> None:
        # Once here instead of with every request: pico-dollars per token, and per request.
        msgspec.structs.force_setattr(self, "pico_usd", (*_pico(self), round(self.request_usd * 1e12)))

    def cost_nano_usd(self, usage: Usage) -> int:
        """Cost of ``usage`` in nano-dollars, rounded half up once, computed in integer pico-dollars."""
        fresh, read, write, out, fixed = self.pico_usd
        if self.tiers:
            total = usage.input_tokens
            for tier in self.tiers:  # ascending; the last that applies wins
                if total > tier.above_input_tokens:
                    fresh, read, write, out = _pico(tier)
        return (
            usage.uncached_input_tokens * fresh
            + usage.cache_read_tokens * read
            + usage.cache_write_tokens * write
            + usage.output_tokens * out
            + fixed
            + 500
        ) // 1000


def _pico(row: Price | PriceTier) -> tuple[int, int, int, int]:
    """$ per million tokens → pico-dollars per token (exact for prices down to $0.000001/M)."""
    read = row.input_mtok if row.cache_read_mtok is None else row.cache_read_mtok
    write = row.input_mtok if row.cache_write_mtok is None else row.cache_write_mtok
    fresh, read, write, out = (round(v * 1_000_000) for v in (row.input_mtok, read, write, row.output_mtok))
    return fresh, read, write, out


class Model(msgspec.Struct, frozen=True):
    """A large language model, whoever serves it. ``id`` is ``author/slug``."""

    id: str
    name: str
    author: str
    country: str  # ISO 3166-1 alpha-2 of the author's seat
    context_length: int
    max_output_tokens: int | None = None
    input_modalities: tuple[str, ...] = ("text",)
    output_modalities: tuple[str, ...] = ("text",)
    open_weights: bool = False
    total_params_b: float | None = None  # billions
    active_params_b: float | None = None  # billions per token
    released: str = ""  # ISO date
    aliases: tuple[str, ...] = ()
    source: str = ""
    supported_parameters: tuple[str, ...] | None = None  # request fields that it understands; None: unknown

    def __post_init__(self) -> None:
        if self.context_length <= 0:
            raise ValueError(f"{self.id}: context_length must be positive")
        for value in (self.total_params_b, self.active_params_b):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"{self.id}: parameter counts are positive billions")


class BatchApi(msgspec.Struct, frozen=True):
    """What a provider takes many requests at once by, to answer them later for less."""

    way: str  # "files" | "messages": see ``providers/bulk``
    wire: str  # that its requests are written on
    discount: float  # of every price: 0.5 is half
    source: str
    checked: str
    window_h: int = 24  # within which it answers, or charges nothing
    most_requests: int = 10_000  # in one hand-in
    most_mib: int = 100

    def price(self, price: Price) -> Price:
        """``price`` less the discount; no fee for each request is taken off."""
        share = 1 - self.discount

        def less(mtok: float | None) -> float | None:
            return None if mtok is None else mtok * share

        return msgspec.structs.replace(
            price,
            id=f"{price.id}+batch",
            input_mtok=price.input_mtok * share,
            output_mtok=price.output_mtok * share,
            cache_read_mtok=less(price.cache_read_mtok),
            cache_write_mtok=less(price.cache_write_mtok),
            tiers=tuple(
                PriceTier(
                    tier.above_input_tokens,
                    tier.input_mtok * share,
                    tier.output_mtok * share,
                    less(tier.cache_read_mtok),
                    less(tier.cache_write_mtok),
                )
                for tier in price.tiers
            ),
            source=self.source,
            checked=self.checked,
        )


class Provider(msgspec.Struct, frozen=True):
    """Who serves models, and how to reach them. Never named by a caller, only by configuration.

    ``more_wires`` are the further protocols it speaks, each with its own base URL.
    """

    name: str
    title: str
    wire: str  # "openai_chat" | "openai_responses" | "anthropic_messages"
    base_url: str
    country: str = ""
    auth: str = "bearer"  # "bearer" | "x-api-key" | "none"
    api_key_env: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    allow_private: bool = False
    accepts_any_model: bool = False  # ids outside the catalogue are passed on (aggregators, own servers)
    quirks: tuple[str, ...] = ()
    source: str = ""
    checked: str = ""
    more_wires: tuple[tuple[str, str], ...] = ()  # (wire, base URL)
    trains_on_prompts: bool | None = None  # None: not known, counts as yes where a caller forbids it
    zero_retention: bool = False  # keeps nothing of a request once it is answered
    # What is handed in there is kept until it is answered, whatever else is kept.
    batch: BatchApi | None = None

    @property
    def wires(self) -> frozenset[str]:
        """Every wire that it speaks."""
        return frozenset((self.wire, *dict(self.more_wires)))

    def base_url_of(self, wire: str) -> str | None:
        """Where it speaks ``wire``; None where it does not."""
        return self.base_url if wire == self.wire else dict(self.more_wires).get(wire)


class Endpoint(msgspec.Struct, frozen=True):
    """One model at one provider with a price."""

    model: str  # Model.id
    provider: str  # Provider.name
    upstream_id: str  # what the provider calls the model
    price: Price
    context_length: int
    max_output_tokens: int | None = None
    engine: str | None = None  # name of the local engine that serves it, if we run it
    quantization: str = ""  # of the weights: "int4" "int8" "fp4" "fp6" "fp8" "fp16" "bf16" "fp32", "" unknown
    supported_parameters: tuple[str, ...] | None = None  # request fields honoured here; None: unknown
    input_modalities: tuple[str, ...] = ("text",)
    quirks: tuple[str, ...] = ()  # of its provider, then its own: words of ``catalog/quirks.py``
    wires: tuple[str, ...] = ()  # of those its provider speaks, the ones that serve it; empty: all

    @property
    def tag(self) -> str:
        """What names it in the ledger, in statistics and to callers: ``provider/quantization``."""
        return f"{self.provider}/{self.quantization}" if self.quantization else self.provider

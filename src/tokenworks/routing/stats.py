"""What policies know about endpoints while they rank them for one request."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tokenworks.catalog.prices import UNKNOWN_PRICE
from tokenworks.routing.affinity import Kept
from tokenworks.routing.health import Health, Vitals
from tokenworks.routing.need import Need
from tokenworks.routing.place import place_of
from tokenworks.schema import Endpoint, Usage

LEAST_OUTPUT = 256  # tokens that are expected of an answer when nothing is known of its model's


class Stats:
    """Price, health and affinity of ``endpoints`` for one request. Knows no endpoint but these."""

    __slots__ = ("_cached", "_input", "_kept", "_output", "_vitals")

    def __init__(
        self, need: Need, endpoints: Sequence[Endpoint], health: Health, kept: Kept | None = None
    ) -> None:
        # by identity: these objects outlive the request, and hashing their fields is slow
        self._vitals = {id(endpoint): health.find(endpoint) for endpoint in endpoints}
        self._kept = kept
        self._input = need.input_tokens
        self._cached = min(kept.cached_tokens, need.input_tokens) if kept is not None else 0
        self._output = self._expected_output(need)

    def vitals(self, endpoint: Endpoint) -> Vitals | None:
        """How it has fared; None when it was never used."""
        return self._vitals[id(endpoint)]

    def sticky(self, endpoint: Endpoint) -> bool:
        """Is it the one that has this session's prompt in its cache?"""
        return self._kept is not None and self._kept.place == place_of(endpoint)

    def cost(self, endpoint: Endpoint) -> float:
        """$ that this request will likely cost there; infinite where no price is known."""
        price = endpoint.price
        if price.id == UNKNOWN_PRICE.id:
            return math.inf
        cached = self._cached if self._kept is not None and self.sticky(endpoint) else 0
        if price.tiers:
            usage = Usage(self._input - cached, cached, 0, round(self._output))
            return price.cost_nano_usd(usage) * 1e-9
        fresh, read, _, output, request = price.pico_usd
        return ((self._input - cached) * fresh + cached * read + self._output * output + request) * 1e-12

    def _expected_output(self, need: Need) -> float:
        """The same for all endpoints: the mean of what they gave, else a quarter of the input."""
        means = [
            mean
            for vitals in self._vitals.values()
            if vitals is not None and (mean := vitals.output_tokens.value) is not None
        ]
        expected = sum(means) / len(means) if means else max(LEAST_OUTPUT, need.input_tokens / 4)
        return expected if need.max_output_tokens is None else min(expected, need.max_output_tokens)

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

    __slots__ = ("_cached", "_input", "_kept", "_others_share", "_output", "_vitals")

    def __init__(
        self, need: Need, endpoints: Sequence[Endpoint], health: Health, kept: Kept | None = None
    ) -> None:
        # by identity: these objects outlive the request, and hashing their fields is slow
        self._vitals = {id(endpoint): health.find(endpoint) for endpoint in endpoints}
        self._kept = kept
        self._others_share: float | None = None
        self._input = need.input_tokens
        self._cached = min(kept.cached_tokens, need.input_tokens) if kept is not None else 0
        self._output = self._expected_output(need)

    def vitals(self, endpoint: Endpoint) -> Vitals | None:
        """How it has fared; None when it was never used."""
        return self._vitals[id(endpoint)]

    @property
    def keeps(self) -> bool:
        """Is there an endpoint that has this session's prompt in its cache?"""
        return self._kept is not None

    def sticky(self, endpoint: Endpoint) -> bool:
        """Is it the one that has this session's prompt in its cache?"""
        return self._kept is not None and self._kept.place == place_of(endpoint)

    def cost(self, endpoint: Endpoint) -> float:
        """$ that this request will likely cost there; infinite where no price is known.

        Input that is likely in the endpoint's cache counts at its price: of a session that was served before
        what it left there, of a new one the share that the endpoint had of late, and where that was not
        measured, what the others had.
        """
        price = endpoint.price
        if price.id == UNKNOWN_PRICE.id:
            return math.inf
        if self._kept is not None:
            cached = self._cached if self.sticky(endpoint) else 0
        elif price.cache_read_mtok is None or not self._input:
            cached = 0
        else:
            cached = round(self._input * self._hit_share(endpoint))
        if price.tiers:
            usage = Usage(self._input - cached, cached, 0, round(self._output))
            return price.cost_nano_usd(usage) * 1e-9
        fresh, read, _, output, request = price.pico_usd
        return ((self._input - cached) * fresh + cached * read + self._output * output + request) * 1e-12

    def _hit_share(self, endpoint: Endpoint) -> float:
        vitals = self._vitals[id(endpoint)]
        share = vitals.hit_share if vitals is not None else None
        if share is not None:
            return share
        if self._others_share is None:
            shares = [
                each.hit_share or 0.0
                for each in self._vitals.values()
                if each is not None and each.hit_share is not None
            ]
            self._others_share = sum(shares) / len(shares) if shares else 0.0
        return self._others_share

    def _expected_output(self, need: Need) -> float:
        """The same for all endpoints: the mean of what they gave, else a quarter of the input."""
        means = [
            mean
            for vitals in self._vitals.values()
            if vitals is not None and (mean := vitals.output_tokens.value) is not None
        ]
        expected = sum(means) / len(means) if means else max(LEAST_OUTPUT, need.input_tokens / 4)
        return expected if need.max_output_tokens is None else min(expected, need.max_output_tokens)

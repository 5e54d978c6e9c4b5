"""Fastest first."""

from __future__ import annotations

from collections.abc import Callable

from tokenworks.routing.health import Health
from tokenworks.routing.need import Need
from tokenworks.routing.stats import Stats
from tokenworks.routing.throughput import rank
from tokenworks.schema import Endpoint


def test_by_tokens_per_second(
    endpoint: Callable[..., Endpoint], need: Callable[..., Need], health: Health
) -> None:
    several = [endpoint(name) for name in ("steady", "quick", "new")]
    for each, seconds, ttft in zip(several, (4.0, 1.0), (0.1, 0.9), strict=False):
        health.of(each).first_token(ttft, 999.0)
        health.of(each).succeeded(seconds, 100, 999.0)
    asked = need()
    found = rank(asked, several, Stats(asked, several, health))
    assert [each.provider for each in found] == ["quick", "steady", "new"]

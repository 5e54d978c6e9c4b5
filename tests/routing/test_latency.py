"""Soonest first."""

from __future__ import annotations

from collections.abc import Callable

from tokenworks.routing.health import Health
from tokenworks.routing.latency import rank
from tokenworks.routing.need import Need
from tokenworks.routing.stats import Stats
from tokenworks.schema import Endpoint


def test_by_time_to_first_token(
    endpoint: Callable[..., Endpoint], need: Callable[..., Need], health: Health
) -> None:
    several = [endpoint(name) for name in ("new", "quick", "steady")]
    for each, seconds, ttft in zip(several[1:], (1.0, 4.0), (0.9, 0.1), strict=True):
        health.of(each).first_token(ttft, 999.0)
        health.of(each).succeeded(seconds, 100, 999.0)
    asked = need()
    found = rank(asked, several, Stats(asked, several, health))
    assert [each.provider for each in found] == ["steady", "quick", "new"]

"""For tool calls: known support first, then the fewest errors, then cost."""

from __future__ import annotations

from collections.abc import Callable

from tokenworks.routing.affinity import Kept
from tokenworks.routing.exacto import rank
from tokenworks.routing.health import Health
from tokenworks.routing.need import Need
from tokenworks.routing.place import place_of
from tokenworks.routing.stats import Stats
from tokenworks.schema import Endpoint


def test_support_then_errors_then_cost(
    endpoint: Callable[..., Endpoint], need: Callable[..., Need], health: Health
) -> None:
    tools = ("tools", "tool_choice")
    several = [
        endpoint("without", 0.1, supported_parameters=("temperature",)),
        endpoint("unknown", 0.2),
        endpoint("faulty", 1.0, supported_parameters=tools),
        endpoint("dear", 9.0, supported_parameters=tools),
        endpoint("good", 2.0, supported_parameters=tools),
    ]
    for each in several[2:]:
        for _ in range(1000):
            health.of(each).succeeded(1.0, 50, 990.0)
    for _ in range(100):
        health.of(several[2]).failed("tool_call", 990.0)
    health.of(several[4]).failed("garbage", 990.0)  # one in a thousand is no difference
    asked = need()
    found = rank(asked, several, Stats(asked, several, health))
    assert [each.provider for each in found] == ["good", "dear", "faulty", "unknown", "without"]
    kept = Kept(place_of(several[3]), 0, 0.0)
    found = rank(asked, several, Stats(asked, several, health, kept))
    assert [each.provider for each in found] == ["dear", "good", "faulty", "unknown", "without"]
    kept = Kept(place_of(several[2]), 0, 0.0)
    found = rank(asked, several, Stats(asked, several, health, kept))
    assert found[0].provider == "good", "a session does not stay where tools fail"

"""When a second endpoint is asked."""

from __future__ import annotations

import pytest

from tokenworks.config.settings import RoutingSettings
from tokenworks.routing.health import Vitals
from tokenworks.routing.hedge import LEAST_SAMPLES, hedge_after


def test_at_the_percentile_of_what_is_usual() -> None:
    vitals = Vitals(RoutingSettings())
    for tenth in range(1, 101):
        vitals.first_token(tenth / 10, 100.0)
    assert hedge_after(vitals, 95.0, 3.0, 100.0) == pytest.approx(9.5, rel=0.06)
    assert hedge_after(vitals, 50.0, 3.0, 100.0) == pytest.approx(5.0, rel=0.06)
    assert hedge_after(vitals, 0.0, 3.0, 100.0) is None, "off"
    assert hedge_after(vitals, 95.0, 3.0, 100.0 + 7200) == 3.0, "nothing of the last half hour"


def test_with_too_few_samples_the_given_time() -> None:
    vitals = Vitals(RoutingSettings())
    assert hedge_after(None, 95.0, 3.0, 0.0) == 3.0
    assert hedge_after(vitals, 95.0, None, 0.0) is None
    for _ in range(LEAST_SAMPLES - 1):
        vitals.first_token(1.0, 5.0)
    assert hedge_after(vitals, 95.0, 3.0, 5.0) == 3.0
    vitals.first_token(1.0, 6.0)
    assert hedge_after(vitals, 95.0, 3.0, 6.0) == pytest.approx(1.0, rel=0.05)

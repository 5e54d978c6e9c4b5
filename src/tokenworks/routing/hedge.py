"""When a second endpoint is asked because the first one is slower to begin than it usually is."""

from __future__ import annotations

from tokenworks.routing.health import Vitals

LEAST_SAMPLES = 20  # of the last half hour, for "usually" to mean something


def hedge_after(
    vitals: Vitals | None, percentile: float, fallback_s: float | None, now: float
) -> float | None:
    """Seconds to wait for the first token before another endpoint is asked as well; None: for ever.

    ``percentile`` (0 to 100) is that of the endpoint's time to first token; 0 turns hedging off.
    ``fallback_s`` is taken while too little was measured.
    """
    if percentile <= 0:
        return None
    if vitals is None or vitals.latency.count(now) < LEAST_SAMPLES:
        return fallback_s
    return vitals.latency.quantile(percentile / 100, now)

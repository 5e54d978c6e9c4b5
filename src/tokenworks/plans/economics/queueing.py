"""Requests that wait for room in a plan's windows, of one subscriber."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from tokenworks.plans.window import Window


class Served:
    """What a plan served of one subscriber's requests. Weights in nano-credits, costs in nano-dollars."""

    __slots__ = ("cheap", "cost", "count", "deferred", "used_up", "waiting", "weight")

    def __init__(self, used_up: list[int]) -> None:
        self.used_up = used_up  # for each window: how often it began to turn requests away
        self.count = 0
        self.deferred = 0
        self.waiting = 0
        self.weight = 0
        self.cost = 0
        self.cheap = 0  # what these requests would have cost with the cheaper model


class _Meter:
    """One window: what was spent in it, in parts by bucket."""

    __slots__ = ("cap", "parts", "spent", "window")

    def __init__(self, window: Window, cap: int) -> None:
        self.window = window
        self.cap = cap
        self.parts: deque[list[int]] = deque()
        self.spent = 0

    def fits(self, weighs: int, now_us: int) -> bool:
        """Whether this much is free now."""
        since = self.window.since(now_us)
        while self.parts and self.parts[0][0] < since:
            self.spent -= self.parts.popleft()[1]
        return self.spent + weighs <= self.cap

    def add(self, weighs: int, now_us: int) -> None:
        """Spend this much now."""
        bucket = self.window.bucket(now_us)[0]
        if self.parts and self.parts[-1][0] == bucket:
            self.parts[-1][1] += weighs
        else:
            self.parts.append([bucket, weighs])
        self.spent += weighs

    def room_us(self, weighs: int, now_us: int) -> int:
        """When this much, no more than ``cap``, is free at the earliest if nothing is added till then."""
        over = self.spent + weighs - self.cap
        at_us = now_us
        for bucket, amount in self.parts:
            if over <= 0:
                break
            at_us = self.window.frees_us(bucket, now_us)
            over -= amount
        return max(at_us, now_us)


def serve_queued(
    times: Sequence[int],
    weights: Sequence[int],
    costs: Sequence[int],
    windows: Sequence[Window],
    caps: Sequence[int],
    until_us: int,
) -> Served:
    """Serve in order; what does not fit waits, and what comes later waits behind it.

    A request of negative weight, or larger than a whole window, is left out: it would wait for ever.
    """
    served = Served([0] * len(caps))
    meters = [_Meter(window, cap) for window, cap in zip(windows, caps, strict=True)]
    least_cap = min(caps, default=max(weights, default=0))
    queue: deque[int] = deque()

    def serve(place: int, now_us: int) -> None:
        for meter in meters:
            meter.add(weights[place], now_us)
        served.count += 1
        served.weight += weights[place]
        served.cost += costs[place]

    def drain(now_us: int, until_us: int) -> int:
        """Serve what is queued as soon as it fits, before ``until_us``; when the next one does."""
        while queue:
            weighs = weights[queue[0]]
            now_us = max((meter.room_us(weighs, now_us) for meter in meters), default=now_us)
            if now_us >= until_us:
                return now_us
            for meter in meters:
                meter.fits(weighs, now_us)  # lets go of what is over
            serve(queue.popleft(), now_us)
            served.deferred += 1
        return now_us

    next_us = 0  # before this moment the first of the queue can't be served
    for place, now_us in enumerate(times):
        weighs = weights[place]
        if queue and next_us <= now_us:
            next_us = drain(next_us, now_us + 1)
        if weighs < 0:
            continue
        if weighs > least_cap:
            # never, and the window with the least room is to blame
            served.used_up[caps.index(least_cap)] += 1
            continue
        if queue:
            queue.append(place)
            continue
        full = next((at for at, meter in enumerate(meters) if not meter.fits(weighs, now_us)), -1)
        if full < 0:
            serve(place, now_us)
            continue
        served.used_up[full] += 1
        queue.append(place)
        next_us = drain(now_us, now_us)
    drain(next_us, until_us)
    served.waiting = len(queue)
    return served

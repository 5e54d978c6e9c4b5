"""Slows down who guesses keys at the sign-in page."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

PER_ADDRESS = 5  # failures in WINDOW_S
ALTOGETHER = 60
WINDOW_S = 60
MOST_ADDRESSES = 1000  # remembered


class Failures:
    """Failed sign-ins of the last minute at this worker. Use from the loop's thread."""

    def __init__(self, now_us: Callable[[], int]) -> None:
        self._now_us = now_us
        self._all: deque[float] = deque(maxlen=ALTOGETHER)
        self._by_address: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """For how long this address has to wait before it may try again; 0: not at all."""
        now = self._now_us() / 1e6
        found = self._by_address.get(address, ())
        return max(_wait_s(found, PER_ADDRESS, now), _wait_s(self._all, ALTOGETHER, now))

    def note(self, address: str) -> None:
        """It failed once more."""
        now = self._now_us() / 1e6
        self._all.append(now)
        self._by_address.setdefault(address, deque(maxlen=PER_ADDRESS)).append(now)
        self._by_address.move_to_end(address)
        if len(self._by_address) > MOST_ADDRESSES:
            self._by_address.popitem(last=False)


def _wait_s(times: Sequence[float], most: int, now: float) -> float:
    return max(0.0, times[0] + WINDOW_S - now) if len(times) == most else 0.0

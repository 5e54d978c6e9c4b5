"""Whose turn it is in an engine's slots: callers who wait come before batches, which leave room for them."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """A queue for each kind of request, first come first served within it.

    A request takes as many slots as it asks for choices. Batches hold ``batch_slots`` at most, and none is
    begun while somebody waits. One alone may take more, for else it would never have its turn.
    """

    def __init__(self, slots: int, batch_slots: int) -> None:
        self.slots = slots
        self.batch_slots = batch_slots
        self._held = self._batch_held = 0
        self._waiting: deque[tuple[T, int]] = deque()
        self._batch_waiting: deque[tuple[T, int]] = deque()

    def metrics(self) -> str:
        """Requests without a slot, in Prometheus's text form; the library knows only those that have one."""
        return (
            "# HELP tokenworks_engine_waiting Requests that wait for a slot.\n"
            "# TYPE tokenworks_engine_waiting gauge\n"
            f'tokenworks_engine_waiting{{batch="no"}} {len(self._waiting)}\n'
            f'tokenworks_engine_waiting{{batch="yes"}} {len(self._batch_waiting)}\n'
        )

    def join(self, request: T, width: int, *, batch: bool) -> None:
        """Get in line; ``due`` then says who begins."""
        (self._batch_waiting if batch else self._waiting).append((request, self._fitting(width)))

    def leave(self, request: T) -> bool:
        """Get out of line. False where it is not in it (any more)."""
        for line in (self._waiting, self._batch_waiting):
            for entry in line:
                if entry[0] is request:
                    line.remove(entry)
                    return True
        return False

    def due(self) -> list[T]:
        """Those who begin now; each holds its slots until ``done``."""
        begun = []
        while self._waiting and self._held + self._waiting[0][1] <= self.slots:
            request, width = self._waiting.popleft()
            self._held += width
            begun.append(request)
        while not self._waiting and self._batch_waiting and self._batch_fits(self._batch_waiting[0][1]):
            request, width = self._batch_waiting.popleft()
            self._held += width
            self._batch_held += width
            begun.append(request)
        return begun

    def done(self, width: int, *, batch: bool) -> None:
        """A request that had begun has ended."""
        width = self._fitting(width)
        self._held -= width
        if batch:
            self._batch_held -= width

    def _batch_fits(self, width: int) -> bool:
        alone = not self._batch_held
        return self._held + width <= self.slots and (alone or self._batch_held + width <= self.batch_slots)

    def _fitting(self, width: int) -> int:
        """More choices than slots are refused by the library; until then they must not block the line."""
        return min(max(1, width), self.slots)

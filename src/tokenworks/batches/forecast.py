"""How fast a batch goes, when it will end and what it will have cost, out of what it has done so far."""

from __future__ import annotations

from collections import deque

import msgspec

from tokenworks.batches.hours import WAITS
from tokenworks.ledger.batched import FINALIZING, IN_PROGRESS, OVER, BatchRow
from tokenworks.schema import NANO_USD

WINDOW_S = 60.0  # over which the speed is taken where it is looked at again and again


class Forecast(msgspec.Struct, frozen=True):
    """None: nothing can be told yet, or nothing goes on."""

    tokens_per_s: float | None = None  # in and out
    parts_per_s: float | None = None
    left_s: float | None = None
    cost_usd: float | None = None  # of the whole batch, when it is over


def forecast(
    row: BatchRow, now_us: int, since: BatchRow | None = None, since_us: int | None = None
) -> Forecast:
    """From the beginning of the batch, or since it stood as ``since`` at ``since_us``.

    The cost is what a settled part has cost on average, times all parts; what it has spent, once it is over.
    """
    settled = row.done + row.failed
    spent_usd = row.cost_nano_usd / NANO_USD
    if row.status in OVER:
        return Forecast(left_s=0.0, cost_usd=spent_usd)
    cost_usd = spent_usd * row.total / settled if settled else None
    if row.status not in (IN_PROGRESS, FINALIZING) or row.note.startswith(WAITS):
        return Forecast(cost_usd=cost_usd)
    tokens = row.input_tokens + row.output_tokens
    start_us = since_us if since is not None else row.started_us
    if start_us is None or now_us <= start_us:
        return Forecast(cost_usd=cost_usd)
    took_s = (now_us - start_us) / 1e6
    if since is not None:
        settled -= since.done + since.failed
        tokens -= since.input_tokens + since.output_tokens
    parts_per_s = max(settled, 0) / took_s
    left_s = row.waiting / parts_per_s if parts_per_s else None
    return Forecast(max(tokens, 0) / took_s, parts_per_s, left_s, cost_usd)


class Watched:
    """The same for a batch that is looked at again and again: its speed is that of the last minute."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, BatchRow]] = deque()

    def look(self, row: BatchRow, now_us: int) -> Forecast:
        """What is to be expected as it stands now. Begun anew, or paused, it is measured anew."""
        if self._seen and (self._seen[-1][1].status, self._seen[-1][1].run) != (row.status, row.run):
            self._seen.clear()
        self._seen.append((now_us, row))
        while len(self._seen) > 2 and now_us - self._seen[1][0] > WINDOW_S * 1e6:
            self._seen.popleft()
        since_us, since = self._seen[0]
        if len(self._seen) == 1:
            return forecast(row, now_us)
        return forecast(row, now_us, since, since_us)

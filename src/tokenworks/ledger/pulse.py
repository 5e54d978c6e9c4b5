"""What happens now: requests and tokens of the last minute and of today, in a small file for who shows them.

The process that drains the journals sees every record anyway. It writes the file each second, and others
read that instead of asking the store.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from tokenworks.ledger.record import Record
from tokenworks.ledger.rollups import NOT_ERRORS
from tokenworks.ledger.store import Store

SERIES_S = 60  # seconds told one by one
RATE_S = 10  # seconds that rates are taken over
SETTLE_US = 500_000  # after its end a second's last records may still lie in the journals
STALE_US = 5_000_000  # an older file was left behind by a server that is no more
_RING = 128  # seconds kept, some more than are told
_SECOND_US = 1_000_000


class Pulse(msgspec.Struct, frozen=True):
    """One moment. Times are unix µs; tokens are all input and output, cached or not."""

    inflight: int  # requests being served
    requests_per_s: float  # that ended in the last 10 s
    tokens_per_s: float  # of those
    series: list[int]  # tokens of each of the last 60 seconds, oldest first
    requests_today: int  # that began since ``day_start_us``, as the store's sums count them
    cost_today_nano_usd: int
    errors_last_minute: int  # as the store counts them: a caller who leaves is none
    day_start_us: int  # midnight in the time zone of the rankings
    updated_us: int


class Beat:
    """Counts records as they are stored. One thread may observe while another looks."""

    def __init__(self, zone: str = "UTC") -> None:
        """``zone`` is an IANA name; "today" begins at its midnight."""
        self._zone: dt.tzinfo = dt.UTC if zone == "UTC" else ZoneInfo(zone)
        self._lock = threading.Lock()
        self._second = [-1] * _RING  # which second each place of the ring holds now
        self._requests = [0] * _RING
        self._tokens = [0] * _RING
        self._errors = [0] * _RING
        self._day_start_us = self._day_end_us = 0
        self._requests_today = self._cost_today = 0

    def begin(self, store: Store, now_us: int) -> None:
        """Start from what ``store`` has of today; before any record is observed. Raises ``StoreError``."""
        with self._lock:
            self._roll(now_us)
            sums = store.totals(self._day_start_us)
            self._requests_today, self._cost_today = sums.requests, sums.cost_nano_usd

    def observe(self, records: Sequence[Record], now_us: int | None = None) -> None:
        """Count freshly stored ``records``, each in the second it ended."""
        now_us = time.time_ns() // 1000 if now_us is None else now_us
        newest = now_us // _SECOND_US
        oldest = newest - _RING + 1
        with self._lock:
            self._roll(now_us)
            day_start_us, today, cost = self._day_start_us, 0, 0
            for r in records:
                if r.time_us >= day_start_us:
                    today += 1
                    cost += r.cost_nano_usd
                second = (r.time_us + r.latency_us) // _SECOND_US
                if second > newest:  # the wall clock was set back
                    second = newest
                elif second < oldest:
                    continue
                at = second % _RING
                if self._second[at] != second:
                    self._second[at] = second
                    self._requests[at] = self._tokens[at] = self._errors[at] = 0
                self._requests[at] += 1
                self._tokens[at] += (
                    r.uncached_input_tokens + r.cache_read_tokens + r.cache_write_tokens + r.output_tokens
                )
                if r.outcome not in NOT_ERRORS:
                    self._errors[at] += 1
            self._requests_today += today
            self._cost_today += cost

    def pulse(self, inflight: int, now_us: int) -> Pulse:
        """How it stands at ``now_us``, of whole seconds whose records are all there."""
        with self._lock:
            self._roll(now_us)
            end = (now_us - SETTLE_US) // _SECOND_US
            seconds = range(end - SERIES_S, end)
            series = [self._of(self._tokens, second) for second in seconds]
            requests = sum(self._of(self._requests, second) for second in seconds[-RATE_S:])
            return Pulse(
                inflight=inflight,
                requests_per_s=requests / RATE_S,
                tokens_per_s=sum(series[-RATE_S:]) / RATE_S,
                series=series,
                requests_today=self._requests_today,
                cost_today_nano_usd=self._cost_today,
                errors_last_minute=sum(self._of(self._errors, second) for second in seconds),
                day_start_us=self._day_start_us,
                updated_us=now_us,
            )

    def _of(self, ring: list[int], second: int) -> int:
        at = second % _RING
        return ring[at] if self._second[at] == second else 0

    def _roll(self, now_us: int) -> None:
        """Begin a new day where the old one is over, or where the clock was set to before it."""
        if self._day_start_us <= now_us < self._day_end_us:
            return
        day = dt.datetime.fromtimestamp(now_us // _SECOND_US, self._zone).date()
        self._day_start_us, self._day_end_us = self._midnight(day), self._midnight(day + dt.timedelta(days=1))
        self._requests_today = self._cost_today = 0

    def _midnight(self, day: dt.date) -> int:
        return int(dt.datetime.combine(day, dt.time(), self._zone).timestamp()) * _SECOND_US


def path(home: Path) -> Path:
    """The file of the server on ``home``."""
    return home / "run" / "pulse.json"


def write(home: Path, pulse: Pulse) -> None:
    """Put ``pulse`` in the place of the one before, atomically. Raises ``OSError``."""
    file = path(home)
    part = file.with_suffix(".part")
    part.write_bytes(msgspec.json.encode(pulse))
    part.replace(file)


def read(home: Path, now_us: int | None = None) -> Pulse | None:
    """What happens on ``home`` now; None where no server runs there, or it tells nothing for 5 s."""
    now_us = time.time_ns() // 1000 if now_us is None else now_us
    try:
        pulse = _decode(path(home).read_bytes())
    except (OSError, msgspec.DecodeError):  # also a file that a newer or older server writes otherwise
        return None
    return pulse if abs(now_us - pulse.updated_us) <= STALE_US else None


_decode = msgspec.json.Decoder(Pulse).decode

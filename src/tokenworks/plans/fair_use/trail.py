"""The last day of one key in little memory."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from zlib import crc32

from tokenworks.plans.fair_use.signals import DAY_US, SLOT_US, SLOTS, Seen
from tokenworks.plans.fair_use.threads import TOOLS

KEEP = 2000  # requests of a key whose details are kept; of older ones only how many in five minutes
APPS = 250  # names of clients of a key that are told apart
OTHER_APPS = "other clients"
_MOST = 2**32 - 1  # of what is kept in four bytes


class Trail:
    """What the signals need of one key, in 75 KB at most: 29 bytes a request, and counts.

    Sessions are kept as checksums and finish reasons as whether a tool is to be called.
    """

    __slots__ = ("_apps", "_counts", "_names", "_rows", "_slots", "_times", "since_us")

    def __init__(self, since_us: int = 0) -> None:
        self.since_us = since_us  # what came before is not kept
        self._times = array("q")
        self._rows = array("I")  # session, input, output, latency in ms, finish: five for each time
        self._apps = array("B")  # places in ``_names``
        self._names: list[str] = []
        # A ring over the day: of which slot since 1970 each place holds the count.
        self._slots, self._counts = array("I", bytes(4 * SLOTS)), array("I", bytes(4 * SLOTS))

    def add(self, one: Seen) -> None:
        """Keep one more; the order may be that of completion."""
        if one.time_us < self.since_us:
            return
        slot = one.time_us // SLOT_US
        at = slot % SLOTS
        if self._slots[at] < slot:
            self._slots[at], self._counts[at] = slot, 0
        if self._slots[at] == slot:
            self._counts[at] += 1
        self._times.append(one.time_us)
        session = crc32(one.session.encode()) or 1 if one.session else 0
        latency_ms = one.latency_us // 1000
        numbers = (one.input_tokens, one.output_tokens, latency_ms, one.finish_reason in TOOLS)
        self._rows.extend((session, *(min(max(int(number), 0), _MOST) for number in numbers)))
        self._apps.append(self._name(one.app))
        if len(self._times) > KEEP + KEEP // 4:  # not each time: cutting moves all of the rest
            self._cut(len(self._times) - KEEP)

    def _name(self, app: str) -> int:
        if app not in self._names:
            if len(self._names) >= APPS:
                app = OTHER_APPS
            if app not in self._names:
                self._names.append(app)
        return self._names.index(app)

    def _cut(self, count: int) -> None:
        del self._times[:count], self._rows[: 5 * count], self._apps[:count]

    def expire(self, now_us: int) -> None:
        """Drop what is older than a day."""
        count = 0
        while count < len(self._times) and self._times[count] <= now_us - DAY_US:
            count += 1
        if count:
            self._cut(count)

    def seen(self) -> list[Seen]:
        """The latest requests, in order of time."""
        found = []
        for at, (time_us, app) in enumerate(zip(self._times, self._apps, strict=True)):
            session, input_tokens, output_tokens, latency_ms, tools = self._rows[5 * at : 5 * at + 5]
            name = f"{session:08x}" if session else ""
            finish = "tool_calls" if tools else ""
            app_name = self._names[app]
            found.append(
                Seen(time_us, name, app_name, input_tokens, output_tokens, latency_ms * 1000, finish)
            )
        found.sort(key=lambda one: one.time_us)
        return found

    def counts(self, now_us: int) -> Sequence[int]:
        """Requests in each five minutes of the last day by the clock, the present one first."""
        now = now_us // SLOT_US
        at = [(slot, slot % SLOTS) for slot in range(now, now - SLOTS, -1)]
        return [self._counts[place] if self._slots[place] == slot else 0 for slot, place in at]

    def __len__(self) -> int:
        return len(self._times)

"""What can be seen of one key's day without reading a word of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from heapq import heappop, heappush
from itertools import pairwise
from math import cos, log, pi, sin, sqrt
from statistics import median

import msgspec

from tokenworks.plans.fair_use.threads import THINK_US, TOOLS, Thread, Threads

DAY_US = 86_400_000_000
SLOT_US = 300_000_000
SLOTS = 288  # of a day
HOUR_SLOTS = 12
QUIET_SLOTS = 72  # six hours: who sleeps has them
STEP_US = 5_000_000  # nobody reads an answer and types the next question in less
IDLE_US = 20_000_000  # without any request under way: what comes then was set off by something
SHORT_US = 2_000_000
REGULAR = 0.1  # around the median
ROUND_US = (60_000_000, 300_000_000)  # clocks that schedules follow
FEW = 8  # waits, below which nothing is said of their regularity


class Seen(msgspec.Struct, frozen=True, gc=False):
    """One request of a key."""

    time_us: int  # start, unix µs
    session: str  # "" where the client names none
    app: str
    input_tokens: int
    output_tokens: int
    latency_us: int
    finish_reason: str


class Signals(msgspec.Struct, frozen=True, gc=False):
    """The last 24 hours of a key. Shares are from 0 to 1; a *wait* is from an answer to the next request."""

    requests: int
    hours: int  # of the last 24, those with a request
    slots: int  # of the last 288 stretches of five minutes, those with a request
    stretch_slots: int  # the longest run of them with no two empty ones in a row
    quiet_share: float  # of the requests, in the quietest six hours in a row (the day as a circle)
    gap_cv: float  # of the time between requests: deviation over mean
    gap_entropy: float  # of its powers of two: 0 all alike, 1 spread over 16 of them
    short_share: float  # of the gaps, those under two seconds
    wakes: int  # requests that came after at least 20 s in which nothing was under way
    wake_regular: float  # of the gaps between wakes, those within a tenth of their median
    wake_gap_s: float  # their median
    clock: float  # how well wakes keep to one second of the minute, or of five minutes
    waits: int  # in conversations
    wait_s: float  # their median
    wait_spread: (
        float  # of the logarithms of those over five seconds, their deviation: 0.7 is "give or take half"
    )
    step_share: float  # of the requests, those with no time to think since the answer before
    chain: int  # the longest run of such steps
    chain_mean: float  # steps to a prompt
    growth: float  # of the waits, those across which the context grew
    single_share: float  # of the conversations, those of one request
    threads: int  # conversations
    led_share: float  # of the conversations of several requests, those in which somebody took time to think
    at_once: float  # conversations in five minutes of use, on average
    an_hour: float  # conversations that went on, in an hour of use, on average
    peak: int  # requests under way at the same moment, at most
    overlap: float  # of the requests, those that began while another was under way
    input_cv: float  # of the input tokens of first requests: near 0 for a template
    input_tokens: float  # of a request, on average
    output_tokens: float
    apps: int
    strange_share: float  # of the requests, those of named clients that the plan is not for
    strange_app: str  # the most frequent of those


def slot_counts(seen: Sequence[Seen], now_us: int) -> list[int]:
    """Requests in each five minutes of the last 24 hours by the clock, the present one first."""
    counts, now = [0] * SLOTS, now_us // SLOT_US
    for one in seen:
        age = now - one.time_us // SLOT_US
        if 0 <= age < SLOTS:
            counts[age] += 1
    return counts


def signals(
    seen: Sequence[Seen], plan_clients: Sequence[str], now_us: int, counts: Sequence[int] | None = None
) -> Signals:
    """Signals of the requests ``seen`` in the 24 hours before ``now_us``, which are in order of time.

    ``counts``: as of ``slot_counts``, where more requests came than ``seen`` holds.
    """
    last = [one for one in seen if now_us - DAY_US < one.time_us <= now_us]
    counts = slot_counts(last, now_us) if counts is None else counts
    total = max(sum(counts), len(last))  # the clock's 288 stretches lack a part of the oldest
    steps = _Steps()
    for one in last:
        steps.add(one)
    gaps = [(b.time_us - a.time_us) / 1e6 for a, b in pairwise(last)]
    wake_gaps = [(b - a) / 1e6 for a, b in pairwise(steps.wakes)]
    usual = median(wake_gaps) if wake_gaps else 0.0
    apps = Counter(one.app for one in last)
    strange = Counter({app: n for app, n in apps.items() if not _allowed(app, plan_clients)})
    n, threads = len(last) or 1, len(steps.first_inputs)
    return Signals(
        requests=total,
        hours=sum(any(counts[at : at + HOUR_SLOTS]) for at in range(0, SLOTS, HOUR_SLOTS)),
        slots=sum(1 for count in counts if count),
        stretch_slots=_stretch(counts),
        quiet_share=_quiet(counts) / (total or 1),
        gap_cv=_cv(gaps),
        gap_entropy=_entropy(gaps),
        short_share=sum(gap < SHORT_US / 1e6 for gap in gaps) / (len(gaps) or 1),
        wakes=len(steps.wakes),
        wake_regular=_regular(wake_gaps, usual),
        wake_gap_s=usual,
        clock=_clock(steps.wakes),
        waits=len(steps.waits),
        wait_s=median(steps.waits) if steps.waits else 0.0,
        wait_spread=_spread(steps.waits),
        step_share=steps.steps / n,
        chain=steps.longest,
        chain_mean=steps.steps / max(n - steps.steps, 1),
        growth=steps.grown / (len(steps.waits) or 1),
        single_share=1.0 - steps.taken_up / (threads or 1),
        threads=threads,
        led_share=steps.led / (steps.taken_up or 1),
        at_once=steps.slots.mean(),
        an_hour=steps.hours.mean(),
        peak=steps.peak,
        overlap=steps.overlaps / n,
        input_cv=_cv(steps.first_inputs) if len(steps.first_inputs) >= FEW else 1.0,
        input_tokens=sum(one.input_tokens for one in last) / n,
        output_tokens=sum(one.output_tokens for one in last) / n,
        apps=len(apps),
        strange_share=strange.total() / n,
        strange_app=strange.most_common(1)[0][0] if strange else "",
    )


class _Spread:
    """How many different ones there are in each stretch of time, on average over those with any."""

    def __init__(self, span_us: int) -> None:
        self._span_us, self._at = span_us, -1
        self._now: set[int] = set()
        self._pairs = self._spans = 0

    def add(self, time_us: int, number: int) -> None:
        if self._at != time_us // self._span_us:
            self._close()
            self._at = time_us // self._span_us
        self._now.add(number)

    def _close(self) -> None:
        self._spans += bool(self._now)
        self._pairs += len(self._now)
        self._now.clear()

    def mean(self) -> float:
        self._close()
        return self._pairs / (self._spans or 1)


class _Steps:
    """The one pass over the requests, in order of time."""

    def __init__(self) -> None:
        self.threads = Threads()
        self.waits: list[float] = []
        self.wakes: list[int] = []
        self.first_inputs: list[float] = []
        self.slots, self.hours = _Spread(SLOT_US), _Spread(HOUR_SLOTS * SLOT_US)
        self.steps = self.longest = self.grown = self.taken_up = self.led = self.peak = self.overlaps = 0
        self._ends: list[int] = []  # of what is under way
        self._idle_since_us = 0

    def add(self, one: Seen) -> None:
        while self._ends and self._ends[0] <= one.time_us:
            heappop(self._ends)
        self.overlaps += bool(self._ends)
        if not self._ends and one.time_us - self._idle_since_us >= IDLE_US:
            self.wakes.append(one.time_us)
        end_us = one.time_us + one.latency_us
        heappush(self._ends, end_us)
        self._idle_since_us = max(self._idle_since_us, end_us)
        self.peak = max(self.peak, len(self._ends))
        thread = self.threads.find(one.session, one.time_us, one.input_tokens)
        if thread is None:
            number = len(self.first_inputs)
            self.first_inputs.append(float(one.input_tokens))
            thread = Thread(number, end_us, one.input_tokens, one.output_tokens, one.finish_reason)
            self.threads.begin(one.session, thread)
        else:
            self._go_on(thread, one)
        self.slots.add(one.time_us, thread.number)

    def _go_on(self, thread: Thread, one: Seen) -> None:
        wait_us = one.time_us - thread.end_us
        self.waits.append(max(wait_us, 0) / 1e6)
        self.hours.add(one.time_us, thread.number)
        if wait_us < STEP_US or (thread.finish_reason in TOOLS and wait_us < THINK_US):
            self.steps += 1
            thread.chain += 1
            self.longest = max(self.longest, thread.chain)
        else:
            thread.chain = 0
            self.led += not thread.led
            thread.led = True
        self.grown += one.input_tokens > thread.input_tokens
        self.taken_up += thread.turns == 1
        thread.turns += 1
        thread.end_us = one.time_us + one.latency_us
        thread.input_tokens, thread.output_tokens = one.input_tokens, one.output_tokens
        thread.finish_reason = one.finish_reason


def _allowed(app: str, globs: Sequence[str]) -> bool:
    """A client that does not say what it is may be any."""
    return not globs or not app or any(fnmatchcase(app, glob) for glob in globs)


def _stretch(counts: Sequence[int]) -> int:
    best = run = empty = 0
    for count in counts:
        empty = 0 if count else empty + 1
        run = 0 if empty > 1 else run + 1
        best = max(best, run - empty)
    return best


def _quiet(counts: Sequence[int]) -> int:
    """Requests in the quietest six hours in a row; yesterday's end and today's beginning are neighbours."""
    least = now = sum(counts[:QUIET_SLOTS])
    for at in range(SLOTS):
        now += counts[(at + QUIET_SLOTS) % SLOTS] - counts[at]
        least = min(least, now)
    return least


def _cv(values: Sequence[float]) -> float:
    if len(values) < 2:
        return 0.0
    mean = sum(values) / len(values)
    return sqrt(sum((value - mean) ** 2 for value in values) / len(values)) / mean if mean > 0 else 0.0


def _entropy(gaps: Sequence[float]) -> float:
    """Shannon's, over powers of two of the gaps in seconds, as a share of that of 16 equal ones."""
    if not gaps:
        return 0.0
    bins = Counter(min(max(int(gap * 8), 0).bit_length(), 15) for gap in gaps)
    return -sum(n / len(gaps) * log(n / len(gaps)) for n in bins.values()) / log(16)


def _regular(gaps: Sequence[float], usual: float) -> float:
    if len(gaps) < FEW:
        return 0.0
    return sum(abs(gap - usual) <= REGULAR * usual for gap in gaps) / len(gaps)


def _spread(waits_s: Sequence[float]) -> float:
    """Deviation of the logarithms of the waits in which somebody may have thought; 9 for a few of them."""
    logs = [log(wait) for wait in waits_s if wait * 1e6 >= STEP_US]
    if len(logs) < 2 * FEW:
        return 9.0
    mean = sum(logs) / len(logs)
    return sqrt(sum((one - mean) ** 2 for one in logs) / len(logs))


def _clock(times_us: Sequence[int]) -> float:
    """Length of the mean direction of the times on a clock's face, less what chance gives; 1: all alike."""
    if len(times_us) < FEW:
        return 0.0
    best = 0.0
    for round_us in ROUND_US:
        turns = [2 * pi * (time_us % round_us) / round_us for time_us in times_us]
        best = max(best, sqrt(sum(map(cos, turns)) ** 2 + sum(map(sin, turns)) ** 2) / len(turns))
    return max(best - 1.5 / sqrt(len(times_us)), 0.0)

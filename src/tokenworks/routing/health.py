"""How every endpoint has fared: what policies rank by, and what the API shows of it.

One object each, told by the gateway how every attempt ended. Nothing is shared between workers: each
learns from its own requests. Use from the loop's thread. Times are monotonic seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Literal

import msgspec

from tokenworks.config.settings import RoutingSettings
from tokenworks.routing.breaker import Breaker, State
from tokenworks.routing.place import Place, place_of
from tokenworks.routing.spread import Percentiles, Spread
from tokenworks.routing.window import Window
from tokenworks.schema import Endpoint

MAX_ENDPOINTS = 4096  # that are remembered; models that are passed on unlisted come in any number
OUTAGE_S = 30.0  # so recent is an outage that matters
OUTAGE_FAILURES = 2
REFUSED_REST_S = 60.0
MOST_UNCOUNTED = 256  # good answers that are noted before they are counted
MIN_TOKENS = 16  # of an answer whose speed says something about the endpoint
ALPHA = 0.1  # weight of the newest sample in a mean
_FIRST = 10  # samples, which weigh the same

_AT_ONCE_S = 5.0  # of which the widths of all windows, and the slices of a spread, are multiples
_NOW = 2  # place of the time in what is noted of a good answer

_30_MIN = 1800.0
_1_DAY = 86_400.0

Kind = Literal[
    "connect",
    "tls",
    "timeout",
    "closed",
    "garbage",
    "rate_limited",
    "overloaded",
    "server_error",
    "auth",
    "payment",
    "missing",
    "refused_address",
    "tool_call",
]
_REFUSALS = frozenset(("auth", "payment", "missing"))


class EndpointView(msgspec.Struct, frozen=True):
    """What the API tells of an endpoint. Uptimes are percent, None without traffic."""

    status: int  # 0: well, -1: resting at its own wish, on trial or with a recent outage, -2: down
    state: State
    uptime_last_5m: float | None
    uptime_last_30m: float | None
    uptime_last_1d: float | None
    latency_last_30m: Percentiles | None  # ms to the first token
    throughput_last_30m: Percentiles | None  # tokens/s; p90 is what 90 % of the answers reach


class Mean:
    """A mean in which older samples fade; the first ten weigh the same. ``value`` is None before them."""

    __slots__ = ("at", "samples", "value")

    def __init__(self) -> None:
        self.value: float | None = None
        self.samples = 0
        self.at = 0.0  # when the newest sample was taken

    def add(self, sample: float, now: float) -> None:
        """Take one more sample."""
        self.add_all((sample,), now)

    def add_all(self, samples: Sequence[float], now: float) -> None:
        """Take ``samples`` (one at least) in the order in which they were measured, the last at ``now``."""
        value, count = self.value, self.samples
        for sample in samples:
            count += 1
            if value is None:
                value = sample
            else:
                value += (sample - value) * (ALPHA if count > _FIRST else 1 / count)
        self.value, self.samples, self.at = value, count, now


class Vitals:
    """Health and speed of one endpoint.

    Every attempt that ``admit`` let through ends with one of ``succeeded``, ``failed`` or ``released``.
    """

    __slots__ = (
        "_amiss",
        "_cached_input",
        "_day",
        "_half_hour",
        "_heard_at",
        "_input",
        "_minute",
        "_output_tokens",
        "_refused",
        "_suspect_until",
        "_throughput",
        "_tokens_per_s",
        "_tool_faults",
        "_uncounted",
        "breaker",
        "latency",
        "ttft_s",
    )

    def __init__(self, settings: RoutingSettings) -> None:
        self.breaker = Breaker(settings.breaker_failures, settings.breaker_rest_s)
        self.ttft_s = Mean()
        self._tokens_per_s = Mean()
        self._output_tokens = Mean()
        self._input = Mean()  # tokens, of requests whose share of cached ones is known
        self._cached_input = Mean()
        self.latency = Spread(0.001)
        self._throughput = Spread(0.1)
        self._minute = Window(_AT_ONCE_S, 12)
        self._half_hour = Window(60.0, 30)
        self._day = Window(3600.0, 24)
        self._tool_faults = Window(3600.0, 24)
        self._heard_at = -math.inf  # when an attempt ended last
        self._uncounted: list[tuple[float, int, float]] = []  # good answers: seconds, output tokens, now
        self._amiss = False  # something has failed since the last good answer
        self._suspect_until = 0.0  # no outage can be recent after this
        self._refused = False  # the last failure was of a kind that only its operator can end

    # --- what the gateway tells ---------------------------------------------------------------

    @property
    def troubled(self) -> bool:
        """Something was amiss: ask ``admit`` before sending anything there. False: send."""
        return not self.breaker.calm

    def admit(self, now: float) -> bool:
        """May a request go there now? While the endpoint is on trial exactly one may."""
        return self.breaker.calm or self.breaker.admit(now)

    def rest_s(self, now: float) -> float | None:
        """How long it said that it is to be left alone still; None where it said nothing, or for less."""
        return None if self._refused else self.breaker.rest_s(now)

    def first_token(self, ttft_s: float, now: float) -> None:
        """A stream has begun, so many seconds after its request was sent."""
        self.ttft_s.add(ttft_s, now)
        self.latency.add(ttft_s, now)
        if not self.breaker.calm:
            self._answered(now)

    def succeeded(self, seconds: float, output_tokens: int, now: float) -> None:
        """A good answer has ended, so many seconds after its request was sent.

        Counted when somebody asks: a request should not pay for more than to be noted.
        """
        uncounted = self._uncounted
        uncounted.append((seconds, output_tokens, now))
        if self._amiss or not self.breaker.calm:
            self._count_good()
            self._amiss = self._refused = False
            if not self.breaker.calm:
                self._answered(now)
            self.breaker.succeeded()
        elif len(uncounted) >= MOST_UNCOUNTED:
            self._count_good()

    def read(self, input_tokens: int, cached_tokens: int, now: float) -> None:
        """Of the input of a good answer so many tokens came from the endpoint's cache, as it says itself."""
        self._input.add(input_tokens, now)
        self._cached_input.add(cached_tokens, now)

    def failed(self, kind: Kind, now: float, retry_after_s: float | None = None) -> None:
        """An attempt came to nothing. ``retry_after_s`` is what the endpoint said, if anything.

        A request that is at fault itself is no failure: that is ``released``. "tool_call" is said of
        answers whose tool call can't be used, besides ``succeeded``.
        """
        self._count_good()
        self._heard_at = now
        self._amiss = True
        if kind == "tool_call":
            self._tool_faults.add(now, False)
        elif kind == "rate_limited":
            self.breaker.pause(now, retry_after_s)
        elif kind in _REFUSALS:
            self._count(now, False)
            self._refused = True
            self.breaker.released()
            self.breaker.rest(now, REFUSED_REST_S, wished=False)
        else:
            self._count(now, False)
            self._suspect_until = now + OUTAGE_S + 5.0
            good, bad = self._minute.counts(now, 60.0)
            self.breaker.failed(now, good + bad, bad)
            if retry_after_s is not None:
                self.breaker.rest(now, retry_after_s)

    def released(self) -> None:
        """An attempt ended without a verdict: the caller left, or his request was at fault."""
        self.breaker.released()

    # --- what policies ask --------------------------------------------------------------------

    @property
    def hit_share(self) -> float | None:
        """Share of the input of late that came from its cache; None before anything was read there."""
        total = self._input.value
        return (self._cached_input.value or 0.0) / total if total else None

    @property
    def heard_at(self) -> float:
        """When an attempt ended last; minus infinity before the first."""
        self._count_good()
        return self._heard_at

    @property
    def output_tokens(self) -> Mean:
        """Of a good answer."""
        self._count_good()
        return self._output_tokens

    @property
    def tokens_per_s(self) -> Mean:
        """Of answers that are long enough to tell."""
        self._count_good()
        return self._tokens_per_s

    @property
    def throughput(self) -> Spread:
        """Of the same, in tokens/s."""
        self._count_good()
        return self._throughput

    def state(self, now: float) -> State:
        """Whether it is used ("closed"), left alone ("open", "resting") or on trial ("half_open")."""
        return self.breaker.state(now)

    def down(self, now: float) -> bool:
        """Nothing should be sent there now."""
        return not self.breaker.calm and self.breaker.down(now)

    def recent_outage(self, now: float) -> bool:
        """At least two, and at least half, of the last 30 seconds' requests failed."""
        self._count_good()
        if now >= self._suspect_until:
            return False
        good, bad = self._minute.counts(now, OUTAGE_S)
        return bad >= OUTAGE_FAILURES and bad >= good

    def ailing(self, now: float) -> bool:
        """Down, or with a recent outage. An endpoint whose rest is over is not: it needs its trial."""
        if self.breaker.calm:
            return now < self._suspect_until and self.recent_outage(now)
        return self.breaker.down(now) or (self.state(now) == "closed" and self.recent_outage(now))

    def error_share(self, now: float) -> float:
        """Share of the last day's requests that failed or ended in an unusable tool call.

        As if two good requests had been seen besides: one failure at the start is not all there is.
        """
        self._count_good()
        good, bad = self._day.counts(now, _1_DAY)
        bad += self._tool_faults.counts(now, _1_DAY)[1]
        return bad / (good + bad + 2)

    def uptime(self, now: float, seconds: float) -> float | None:
        """Percent of the requests of the last ``seconds`` that were served; None without any.

        Up to a day; those that the endpoint had no capacity for (429) don't count.
        """
        self._count_good()
        window = self._minute if seconds <= 60 else self._half_hour if seconds <= _30_MIN else self._day
        good, bad = window.counts(now, seconds)
        return 100 * good / (good + bad) if good + bad else None

    def view(self, now: float) -> EndpointView:
        """Everything that is told to callers."""
        state = self.state(now)
        status = 0 if state == "closed" and not self.recent_outage(now) else -1
        if state == "open" or (state == "resting" and self._refused):
            status = -2
        latency = self.latency.percentiles(now)
        if latency is not None:
            seconds = msgspec.structs.astuple(latency)
            latency = Percentiles(*(1000 * each for each in seconds))
        return EndpointView(
            status=status,
            state=state,
            uptime_last_5m=self.uptime(now, 300.0),
            uptime_last_30m=self.uptime(now, _30_MIN),
            uptime_last_1d=self.uptime(now, _1_DAY),
            latency_last_30m=latency,
            throughput_last_30m=self.throughput.percentiles(now, descending=True),
        )

    # --- inside -------------------------------------------------------------------------------

    def _count_good(self) -> None:
        """Take in the good answers that were only noted so far."""
        noted = self._uncounted
        if not noted:
            return
        if noted[0][_NOW] // _AT_ONCE_S == noted[-1][_NOW] // _AT_ONCE_S:
            self._count_at_once(noted)
        else:
            for _, some in groupby(noted, lambda each: each[_NOW] // _AT_ONCE_S):
                self._count_at_once(list(some))
        noted.clear()

    def _count_at_once(self, noted: Sequence[tuple[float, int, float]]) -> None:
        """Good answers that no window or slice of time tells apart."""
        self._heard_at = now = noted[-1][_NOW]
        self._count(now, True, len(noted))
        self._output_tokens.add_all([tokens for _, tokens, _ in noted], now)
        long_enough = [each for each in noted if each[1] >= MIN_TOKENS and each[0] > 0]
        if long_enough:
            speeds = [tokens / seconds for seconds, tokens, _ in long_enough]
            self._tokens_per_s.add_all(speeds, long_enough[-1][_NOW])
            self._throughput.add_all(speeds, now)

    def _count(self, now: float, good: bool, count: int = 1) -> None:
        self._minute.add(now, good, count)
        self._half_hour.add(now, good, count)
        self._day.add(now, good, count)

    def _answered(self, now: float) -> None:
        if self.breaker.answered(now):
            self._minute.clear()  # what opened the breaker must not open it again
            self._suspect_until = 0.0


class Health:
    """The vitals of all endpoints that were used, those forgotten first that were silent for longest."""

    def __init__(self, settings: RoutingSettings, limit: int = MAX_ENDPOINTS) -> None:
        self._settings = settings
        self._limit = limit
        self._vitals: dict[Place, Vitals] = {}

    def of(self, endpoint: Endpoint) -> Vitals:
        """The vitals to tell how an attempt went; made when there are none yet."""
        place = place_of(endpoint)
        vitals = self._vitals.get(place)
        if vitals is None:
            if len(self._vitals) >= self._limit:
                self._forget_some()
            vitals = self._vitals[place] = Vitals(self._settings)
        return vitals

    def find(self, endpoint: Endpoint) -> Vitals | None:
        """The vitals as far as there are any: an endpoint that was never used has none."""
        return self._vitals.get(place_of(endpoint))

    def view(self, endpoint: Endpoint, now: float) -> EndpointView:
        """What the API tells of ``endpoint``."""
        return (self.find(endpoint) or Vitals(self._settings)).view(now)

    def _forget_some(self) -> None:
        """Drop a quarter at once: to look for the most silent takes a while."""
        silent = sorted(self._vitals, key=lambda place: self._vitals[place].heard_at)
        for place in silent[: max(1, self._limit // 4)]:
            del self._vitals[place]

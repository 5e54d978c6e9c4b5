"""What ``/metrics`` shows: one process counts for all workers, from the records it drains anyway.

Names follow OpenTelemetry's GenAI conventions where they have one (dots become underscores and the
unit is appended, as its Prometheus mapping says); money and errors are ours.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from tokenworks.energy.attribution import Rates
from tokenworks.ledger.record import Record
from tokenworks.schema import NANO_USD

if TYPE_CHECKING:
    from tokenworks.routing.drift import Alarm  # numpy is behind it

# Bucket bounds of the conventions' own advice, seconds.
DURATION_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
FIRST_TOKEN_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
LABELS = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_response_model")
MAX_SERIES = 500
MAX_FAILURES = 1000  # of endpoints, by what was met
TOKEN_CLASSES = ("input", "cache_read", "cache_write", "output", "reasoning")


class AutoSums(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is counted of a decision of ``auto``: the beginning of ``ledger.decided.Decided``."""

    task: str
    path: str
    strong: str
    propensity: float
    cost_nano_usd: int
    baseline_nano_usd: int


_decode_auto = msgspec.msgpack.Decoder(AutoSums).decode


def auto_sums(record: Record) -> AutoSums | None:
    """How a request for ``auto`` was decided; None for one that named its model."""
    if not record.decision:
        return None
    try:
        return _decode_auto(record.decision)
    except (msgspec.DecodeError, UnicodeDecodeError):  # the store has told of it in the log
        return None


@lru_cache(maxsize=4096)
def failures(reasons: str) -> tuple[tuple[str, str], ...]:
    """Provider and what was met at each failed attempt of ``Record.reasons``: (("acme", "429"),)."""
    found = []
    for reason in reasons.split():
        endpoint, _, met = reason.rpartition(":")
        if endpoint not in ("", "plan") and met not in ("hedge", "slow"):  # notes, no failures
            found.append((endpoint.partition("/")[0], met))
    return tuple(found)


class _Histogram:
    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[str, float]]:
        seen, out = 0, []
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            seen += count
            out.append((bound, float(seen)))
        return out


class _Series:
    """Everything counted for one (kind, provider, model)."""

    __slots__ = ("cost_nano_usd", "duration", "first_token", "outcomes", "tokens", "tool_calls")

    def __init__(self) -> None:
        self.duration = _Histogram(DURATION_S)
        self.first_token = _Histogram(FIRST_TOKEN_S)
        self.outcomes: dict[str, int] = {}
        self.tokens = [0] * len(TOKEN_CLASSES)
        self.cost_nano_usd = 0
        self.tool_calls = 0


class _Auto:
    """Everything counted for one path of ``auto``. Saved is ``baseline - cost``; it may be less than nothing,
    so that no counter could show it."""

    __slots__ = ("baseline_nano_usd", "cost_nano_usd", "requests")

    def __init__(self) -> None:
        self.requests = self.cost_nano_usd = self.baseline_nano_usd = 0


class Metrics(Collector):
    """Counts records; writes the exposition text to ``path`` for the workers to serve."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inflight = 0
        self.refused: dict[int, int] = {}
        self._series: dict[tuple[str, str, str], _Series] = {}
        self._failures: dict[tuple[str, str], int] = {}
        self._auto: dict[str, _Auto] = {}
        self._spans: dict[str, int] = {}
        self._alarms: tuple[Alarm, ...] = ()
        self._power: Rates | None = None
        self._changed = True

    def observe(self, records: Sequence[Record]) -> None:
        """Count freshly stored records (called by the drainer, once for each record)."""
        self._changed = True
        for r in records:
            key = (r.kind, r.provider, r.model)
            series = self._series.get(key)
            if series is None:
                if len(self._series) >= MAX_SERIES:  # names that callers make up at an aggregator
                    key = (r.kind, r.provider, "other")
                series = self._series.setdefault(key, _Series())
            outcomes = series.outcomes
            outcomes[r.outcome] = outcomes.get(r.outcome, 0) + 1
            series.duration.add(r.latency_us / 1e6)
            if r.ttft_us:
                series.first_token.add(r.ttft_us / 1e6)
            tokens = series.tokens
            tokens[0] += r.uncached_input_tokens
            tokens[1] += r.cache_read_tokens
            tokens[2] += r.cache_write_tokens
            tokens[3] += r.output_tokens
            tokens[4] += r.reasoning_tokens
            series.cost_nano_usd += r.cost_nano_usd
            if r.tool_calls:
                series.tool_calls += r.tool_calls
            if r.reasons:
                self._count_failures(r.reasons)
            if r.decision:
                self._count_auto(r)

    def _count_failures(self, reasons: str) -> None:
        for provider, met in failures(reasons):
            key = (provider, met)
            if key not in self._failures and len(self._failures) >= MAX_FAILURES:
                key = (provider, "other") if (provider, "other") in self._failures else ("other", "other")
            self._failures[key] = self._failures.get(key, 0) + 1

    def _count_auto(self, record: Record) -> None:
        decided = auto_sums(record)
        if decided is not None:
            sums = self._auto.setdefault(decided.path, _Auto())
            sums.requests += 1
            sums.cost_nano_usd += decided.cost_nano_usd
            sums.baseline_nano_usd += decided.baseline_nano_usd

    def refuse(self, statuses: dict[int, int]) -> None:
        """Count requests that were answered without a record: nobody's key, or no journal to write."""
        self._changed = True
        for status, count in statuses.items():
            self.refused[status] = self.refused.get(status, 0) + count

    def drifted(self, alarms: Sequence[Alarm]) -> None:
        """In what ``auto`` fares otherwise than it used to; called by the caretaker, each hour."""
        self._alarms, self._changed = tuple(alarms), True

    def traced(self, sent: int, dropped: int) -> None:
        """How many spans have been sent and dropped since the start."""
        spans = {"sent": sent, "dropped": dropped}
        self._changed = self._changed or spans != self._spans
        self._spans = spans

    def powered(self, rates: Rates | None) -> None:
        """What the meter says now; the same object as before means that nothing is new."""
        if rates is not self._power:
            self._power, self._changed = rates, True

    def write(self, inflight: int) -> None:
        """Render to the file, atomically, when anything has changed."""
        if inflight == self.inflight and not self._changed and self.path.exists():
            return
        self.inflight, self._changed = inflight, False
        part = self.path.with_suffix(".part")
        part.write_bytes(generate_latest(self))
        part.replace(self.path)

    def collect(self) -> Iterable[Metric]:
        yield from self._of_requests()
        yield from self._of_auto()
        yield from self._of_power()
        refused = CounterMetricFamily(
            "tokenworks_refused_requests", "Requests refused without a record", labels=["status"]
        )
        for status, count in list(self.refused.items()):
            refused.add_metric([str(status)], count)
        yield refused
        failed = CounterMetricFamily(
            "tokenworks_endpoint_failures",
            "Attempts at an endpoint that came to nothing, by what was met",
            labels=["gen_ai_provider_name", "met"],
        )
        for key, count in list(self._failures.items()):
            failed.add_metric(key, count)
        yield failed
        spans = CounterMetricFamily(
            "tokenworks_spans", "Spans of requests that were sent and that were dropped", labels=["result"]
        )
        for result, count in self._spans.items():
            spans.add_metric([result], count)
        yield spans
        yield GaugeMetricFamily("tokenworks_inflight_requests", "Requests being served", value=self.inflight)

    def _of_requests(self) -> Iterable[Metric]:
        duration = HistogramMetricFamily(
            "gen_ai_server_request_duration_seconds", "Time to serve a request", labels=LABELS
        )
        first = HistogramMetricFamily(
            "gen_ai_server_time_to_first_token_seconds", "Time to the first byte of the answer", labels=LABELS
        )
        usage = CounterMetricFamily(
            "gen_ai_client_token_usage_tokens", "Tokens used", labels=[*LABELS, "gen_ai_token_type"]
        )
        requests = CounterMetricFamily(
            "tokenworks_requests", "Requests by outcome", labels=[*LABELS, "outcome"]
        )
        cost = CounterMetricFamily("tokenworks_cost_usd", "What the tokens cost, in dollars", labels=LABELS)
        tools = CounterMetricFamily("tokenworks_tool_calls", "Calls of tools in answers", labels=LABELS)
        for labels, series in list(self._series.items()):
            duration.add_metric(labels, series.duration.cumulative(), series.duration.total)
            first.add_metric(labels, series.first_token.cumulative(), series.first_token.total)
            for name, tokens in zip(TOKEN_CLASSES, series.tokens, strict=True):
                usage.add_metric([*labels, name], tokens)
            for outcome, count in list(series.outcomes.items()):
                requests.add_metric([*labels, outcome], count)
            cost.add_metric(labels, series.cost_nano_usd / NANO_USD)
            tools.add_metric(labels, series.tool_calls)
        yield from (duration, first, usage, requests, cost, tools)

    def _of_auto(self) -> Iterable[Metric]:
        requests = CounterMetricFamily(
            "tokenworks_auto_requests", "Requests for auto, by how their model was found", labels=["path"]
        )
        cost = CounterMetricFamily(
            "tokenworks_auto_cost_usd", "What requests for auto cost, in dollars", labels=["path"]
        )
        strong = CounterMetricFamily(
            "tokenworks_auto_always_strong_usd",
            "What they would have cost at the strong model: the difference is what auto saved",
            labels=["path"],
        )
        for path, sums in list(self._auto.items()):
            requests.add_metric([path], sums.requests)
            cost.add_metric([path], sums.cost_nano_usd / NANO_USD)
            strong.add_metric([path], sums.baseline_nano_usd / NANO_USD)
        yield from (requests, cost, strong)
        drift = GaugeMetricFamily(
            "tokenworks_route_drift", "1 where auto fares otherwise lately", labels=["task", "measure"]
        )
        for alarm in self._alarms:
            drift.add_metric([alarm.task, alarm.measure], 1)
        yield drift

    def _of_power(self) -> Iterable[Metric]:
        """Of the meter, since it began. Without PUE: what this machine took."""
        power = self._power
        if power is None or power.machine is None:
            return
        engines = CounterMetricFamily(
            "tokenworks_engine_energy_joules",
            "Joules that went into requests of our own engines",
            labels=["engine", "phase", "basis"],
        )
        for each in power.running:
            engines.add_metric([each.name, "prefill", each.basis], each.prefill_joules)
            engines.add_metric([each.name, "decode", each.basis], each.decode_joules)
        machine = CounterMetricFamily(
            "tokenworks_machine_energy_joules",
            "Joules that this machine took, by who used them",
            labels=["used_by", "basis"],
        )
        for name, joules in (
            ("engines", power.machine.engines_joules),
            ("others", power.machine.other_joules),
            ("idle", power.machine.idle_joules),
        ):
            machine.add_metric([name, power.machine.basis], joules)
        watts = GaugeMetricFamily(
            "tokenworks_machine_power_watts", "What this machine takes now", labels=["basis"]
        )
        watts.add_metric([power.machine.basis], power.machine.watts)
        yield from (engines, machine, watts)

"""The metrics can be parsed, add up, bear the agreed names, and count every worker's requests."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from serving import acme, chat, serving

from tokenworks.app.metrics import (
    DURATION_S,
    FIRST_TOKEN_S,
    MAX_FAILURES,
    MAX_SERIES,
    TOKEN_CLASSES,
    Metrics,
    failures,
)
from tokenworks.ledger import decided
from tokenworks.ledger.record import Record
from tokenworks.providers.scripted import Reply, Script, Tokens, running
from tokenworks.routing.drift import Alarm

DURATION = "gen_ai_server_request_duration_seconds"
FIRST = "gen_ai_server_time_to_first_token_seconds"
USAGE = "gen_ai_client_token_usage_tokens_total"
REQUESTS = "tokenworks_requests_total"
COST = "tokenworks_cost_usd_total"
INFLIGHT = "tokenworks_inflight_requests"


def record(number: int = 0, **more: Any) -> Record:
    given: dict[str, Any] = {
        "model": "acme/fast",
        "provider": "acme",
        "outcome": "ok",
        "latency_us": 20_000,
    } | more
    return Record(id=f"gen-1-{number}", time_us=1, **given)


def parsed(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def samples(text: str, name: str, **labels: str) -> list[float]:
    """Values of all samples of this name that bear these labels."""
    return [
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]


@pytest.fixture
def metrics(tmp_path: Path) -> Metrics:
    return Metrics(tmp_path / "metrics.prom")


def shown(metrics: Metrics, inflight: int = 0) -> str:
    metrics.write(inflight)
    return metrics.path.read_text()


def test_names_and_types(metrics: Metrics) -> None:
    metrics.observe([record()])
    found = parsed(shown(metrics))
    assert {name: family.type for name, family in found.items()} == {
        DURATION: "histogram",
        FIRST: "histogram",
        USAGE.removesuffix("_total"): "counter",
        REQUESTS.removesuffix("_total"): "counter",
        COST.removesuffix("_total"): "counter",
        "tokenworks_refused_requests": "counter",
        INFLIGHT: "gauge",
        "tokenworks_route_drift": "gauge",
        "tokenworks_tool_calls": "counter",
        "tokenworks_auto_requests": "counter",
        "tokenworks_auto_cost_usd": "counter",
        "tokenworks_auto_always_strong_usd": "counter",
        "tokenworks_endpoint_failures": "counter",
        "tokenworks_spans": "counter",
    }
    assert all(family.documentation for family in found.values())


def test_what_has_drifted_is_shown_until_it_has_not(metrics: Metrics) -> None:
    alarm = Alarm("math", "escalation", 0.1, 0.4, 200, 0.001)
    metrics.drifted([alarm])
    assert 'tokenworks_route_drift{measure="escalation",task="math"} 1.0' in shown(metrics)
    metrics.drifted([])
    assert "measure=" not in shown(metrics)


def test_everything_adds_up(metrics: Metrics) -> None:
    one = record(
        uncached_input_tokens=100,
        cache_read_tokens=40,
        cache_write_tokens=3,
        output_tokens=20,
        reasoning_tokens=5,
        cost_nano_usd=1_500_000_000,
        latency_us=2_000_000,
        ttft_us=300_000,
    )
    two = record(1, output_tokens=1, cost_nano_usd=1, latency_us=30_000)
    other = record(2, model="acme/slow", outcome="upstream_error", latency_us=500_000_000)
    metrics.observe([one, two])
    metrics.observe([other])
    metrics.observe([])
    text = shown(metrics, inflight=7)
    fast = {
        "gen_ai_response_model": "acme/fast",
        "gen_ai_provider_name": "acme",
        "gen_ai_operation_name": "chat",
    }
    assert [samples(text, USAGE, **fast, gen_ai_token_type=name) for name in TOKEN_CLASSES] == [
        [100.0],
        [40.0],
        [3.0],
        [21.0],
        [5.0],
    ]
    assert samples(text, COST, **fast) == [1.500000001]
    assert samples(text, REQUESTS, outcome="ok") == [2.0]
    assert samples(text, REQUESTS, outcome="upstream_error") == [1.0]
    assert samples(text, f"{DURATION}_count", **fast) == [2.0]
    assert samples(text, f"{DURATION}_sum", **fast) == [pytest.approx(2.03)]
    assert samples(text, f"{FIRST}_count", **fast) == [1.0]  # of the other it is not known
    assert samples(text, f"{FIRST}_sum", **fast) == [pytest.approx(0.3)]
    assert samples(text, f"{DURATION}_sum", gen_ai_response_model="acme/slow") == [500.0]
    assert samples(text, INFLIGHT) == [7.0]


def test_buckets_are_cumulative_and_their_bounds_belong_to_them(metrics: Metrics) -> None:
    spans_us = [0, 10_000, 10_001, 5_000_000, 81_920_000, 90_000_000]
    metrics.observe([record(n, latency_us=span) for n, span in enumerate(spans_us)])
    family = parsed(shown(metrics))[DURATION]
    buckets = {s.labels["le"]: s.value for s in family.samples if s.name.endswith("_bucket")}
    assert [*buckets] == [*map(str, DURATION_S), "+Inf"]
    assert buckets["0.01"] == 2  # a bound belongs to its bucket
    assert buckets["0.02"] == 3
    assert buckets["5.12"] == 4
    assert buckets["81.92"] == 5
    assert buckets["+Inf"] == 6
    assert list(buckets.values()) == sorted(buckets.values())
    assert sorted(FIRST_TOKEN_S) == list(FIRST_TOKEN_S)


def test_names_of_callers_can_not_break_the_format(metrics: Metrics) -> None:
    """A model passed on to an aggregator is named by the caller."""
    odd = 'a"b\\c\nd} 1 ü'
    metrics.observe([record(model=odd)])
    assert samples(shown(metrics), REQUESTS, gen_ai_response_model=odd) == [1.0]


def test_the_file_is_whole_at_every_moment(metrics: Metrics) -> None:
    metrics.observe([record()])
    metrics.write(0)
    over = threading.Event()
    seen: list[int] = []

    def read() -> None:
        while not over.is_set():
            text = metrics.path.read_text()
            assert text.endswith("\n") and INFLIGHT in text
            seen.append(int(samples(text, REQUESTS, outcome="ok")[0]))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(60):
            metrics.observe([record(number)])
            metrics.write(number)
    finally:
        over.set()
        reader.join()
    assert len(set(seen)) > 1 and seen == sorted(seen)
    assert [file.name for file in metrics.path.parent.iterdir()] == ["metrics.prom"]


def test_nothing_new_is_not_written_but_a_lost_file_is(metrics: Metrics) -> None:
    metrics.write(0)
    first = metrics.path.stat().st_ino
    metrics.write(0)
    assert metrics.path.stat().st_ino == first
    metrics.write(1)
    assert samples(metrics.path.read_text(), INFLIGHT) == [1.0]
    metrics.path.unlink()
    metrics.write(1)
    assert metrics.path.exists()


def test_two_workers_are_counted_as_one_server(tmp_path: Path) -> None:
    script = Script(reply=(Reply(text="hi", usage=Tokens(input_tokens=10, output_tokens=3)),))
    with (
        running(script) as provider,
        serving(tmp_path / "home", acme(provider.base_url), workers=2) as server,
    ):
        for _ in range(20):  # a connection each: the kernel spreads them over both
            answer = httpx.post(f"{server.url}/v1/chat/completions", json=chat(), headers=server.headers)
            assert answer.status_code == 200
        httpx.post(f"{server.url}/v1/chat/completions", content=b"{", headers=server.headers)
        deadline = time.monotonic() + 10
        while True:
            text = httpx.get(f"{server.url}/metrics").text
            if sum(samples(text, REQUESTS)) >= 21 or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        assert samples(text, REQUESTS, outcome="ok") == [20.0]
        assert samples(text, REQUESTS, outcome="bad_request") == [1.0]
        assert samples(text, USAGE, gen_ai_token_type="input") == [200.0, 0.0]
        assert samples(text, USAGE, gen_ai_token_type="output") == [60.0, 0.0]
        assert samples(text, f"{DURATION}_count", gen_ai_provider_name="acme") == [20.0]
        assert sum(samples(text, COST)) == pytest.approx(20 * (10 * 0.1 + 3 * 0.4) / 1e6)
        assert samples(text, INFLIGHT) == [0.0]


def test_refused_requests_are_counted_by_status(metrics: Metrics) -> None:
    metrics.refuse({401: 2, 503: 1})
    metrics.refuse({401: 3})
    found = parsed(shown(metrics))["tokenworks_refused_requests"]
    assert {s.labels["status"]: s.value for s in found.samples} == {"401": 5, "503": 1}


def test_made_up_model_names_do_not_grow_the_page_without_end(metrics: Metrics) -> None:
    metrics.observe([record(model=f"made/up-{n}") for n in range(1000)])
    text = shown(metrics)
    assert text.count("tokenworks_requests_total{") <= MAX_SERIES + 1
    assert 'gen_ai_response_model="other"' in text


def test_tool_calls_are_counted(metrics: Metrics) -> None:
    metrics.observe([record(tool_calls=2), record(1, tool_calls=3), record(2, model="acme/slow")])
    text = shown(metrics)
    assert samples(text, "tokenworks_tool_calls_total", gen_ai_response_model="acme/fast") == [5.0]
    assert samples(text, "tokenworks_tool_calls_total", gen_ai_response_model="acme/slow") == [0.0]


@pytest.mark.parametrize(
    ("reasons", "found"),
    [
        ("", ()),
        ("acme:429", (("acme", "429"),)),
        ("acme/fp8:timeout beta:connect", (("acme", "timeout"), ("beta", "connect"))),
        ("plan:dry acme:500", (("acme", "500"),)),  # what the plan said is no attempt
        ("acme:slow beta:hedge beta:garbage", (("beta", "garbage"),)),  # nor is a second one beside it
        ("garbled", ()),
    ],
)
def test_failures_are_read_from_reasons(reasons: str, found: tuple[tuple[str, str], ...]) -> None:
    assert failures(reasons) == found


def test_failures_are_counted_by_provider_and_bounded(metrics: Metrics) -> None:
    metrics.observe([record(n, reasons="acme:429 beta:500") for n in range(3)])
    name = "tokenworks_endpoint_failures_total"
    assert samples(shown(metrics), name, gen_ai_provider_name="acme", met="429") == [3.0]
    assert samples(shown(metrics), name, gen_ai_provider_name="beta", met="500") == [3.0]
    metrics.observe([record(n, reasons=f"acme:{n}") for n in range(1000, 1000 + 2 * MAX_FAILURES)])
    text = shown(metrics)
    assert text.count(f"{name}{{") == MAX_FAILURES + 1
    assert sum(samples(text, name)) == 6 + 2 * MAX_FAILURES


def test_what_auto_cost_and_would_have_cost(metrics: Metrics) -> None:
    def decision(path: str, cost: int, strong: int) -> bytes:
        return decided.encode(decided.Decided("math", path, "acme/strong", 1.0, cost, strong, b"{}"))

    metrics.observe(
        [
            record(1, decision=decision("direct", 10**9, 4 * 10**9)),
            record(2, decision=decision("direct", 10**9, 0)),
            record(3, decision=decision("cascade", 5 * 10**9, 3 * 10**9)),  # cost more than it saved
            record(4, decision=b"\xc1"),  # no decision at all
            record(5),
        ]
    )
    text = shown(metrics)
    assert samples(text, "tokenworks_auto_requests_total", path="direct") == [2.0]
    assert samples(text, "tokenworks_auto_cost_usd_total", path="direct") == [2.0]
    assert samples(text, "tokenworks_auto_always_strong_usd_total", path="direct") == [4.0]
    assert samples(text, "tokenworks_auto_always_strong_usd_total", path="cascade") == [3.0]
    assert len(samples(text, "tokenworks_auto_requests_total")) == 2


def test_spans_are_shown_where_there_are_any(metrics: Metrics) -> None:
    assert "result=" not in shown(metrics)
    metrics.traced(7, 2)
    assert samples(shown(metrics), "tokenworks_spans_total", result="sent") == [7.0]
    first = metrics.path.stat().st_ino
    metrics.traced(7, 2)
    assert samples(shown(metrics), "tokenworks_spans_total", result="dropped") == [2.0]
    assert metrics.path.stat().st_ino == first


def test_joules_of_engines_and_of_the_machine(tmp_path: Path) -> None:
    from tokenworks.energy.attribution import EnginePower, MachinePower, Rates

    metrics = Metrics(tmp_path / "metrics.prom")
    metrics.write(0)
    engine = EnginePower("small", "local", "acme/a", "measured", "cpu", 3.5, 10.0, 4.0, 6.0, None)
    machine = MachinePower("measured", 1, 7.25, 1.5, 10.0, 2.0, 3.0)
    rates = Rates(1, {}, {}, "FR", 56.0, 0.2, 1.0, "US", 369.0, 0.1, machine, (engine,))
    metrics.powered(rates)
    metrics.write(0)
    text = (tmp_path / "metrics.prom").read_text()
    for line in (
        'tokenworks_engine_energy_joules_total{basis="measured",engine="small",phase="prefill"} 4.0',
        'tokenworks_engine_energy_joules_total{basis="measured",engine="small",phase="decode"} 6.0',
        'tokenworks_machine_energy_joules_total{basis="measured",used_by="idle"} 3.0',
        'tokenworks_machine_power_watts{basis="measured"} 7.25',
    ):
        assert line in text
    before = (tmp_path / "metrics.prom").stat().st_mtime_ns
    metrics.powered(rates)
    metrics.write(0)
    assert (tmp_path / "metrics.prom").stat().st_mtime_ns == before, "nothing is new"

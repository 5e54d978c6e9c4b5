"""Spans bear the conventions' names and a record's figures, and arrive at a collector as such."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from collecting import Collector, collecting
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv.attributes import error_attributes, http_attributes
from serving import free_port

from tokenworks import __version__
from tokenworks.app.metrics import auto_sums
from tokenworks.app.otlp import OtlpSender, attributes
from tokenworks.app.tracing import Parent, Traced, ids_of
from tokenworks.ledger import decided
from tokenworks.ledger.record import Record

CONVENTIONS = {
    value
    for module in (gen_ai_attributes, error_attributes, http_attributes)
    for name, value in vars(module).items()
    if name.isupper()
}
SERVER, CLIENT = 2, 3


def record(**more: Any) -> Record:
    given: dict[str, Any] = {
        "id": "gen-1-a",
        "time_us": 1_700_000_000_000_000,
        "latency_us": 2_500_000,
        "requested_model": "auto",
        "model": "acme/fast",
        "provider": "beta/fp8",
        "stream": True,
        "status": 200,
        "outcome": "ok",
        "finish_reason": "stop",
        "attempts": 2,
        "reasons": "acme:429",
        "key_id": "key_1",
        "app": "An App",
        "session": "s-1",
        "user": "somebody",
        "uncached_input_tokens": 100,
        "cache_read_tokens": 20,
        "cache_write_tokens": 3,
        "output_tokens": 50,
        "reasoning_tokens": 10,
        "cost_nano_usd": 1_500_000,
        "ttft_us": 300_000,
        "tool_calls": 2,
        "decision": decided.encode(
            decided.Decided("math", "cascade", "acme/strong", 0.9, 1_500_000, 9_000_000, detail=b"x" * 99)
        ),
    }
    return Record(**(given | more))


def traced(parent: Parent | None = None, **more: Any) -> Traced:
    made = record(**more)
    return Traced(made, parent, auto_sums(made))


def sender(collector: Collector, headers: dict[str, str] | None = None) -> OtlpSender:
    return OtlpSender(collector.url, headers or {}, "works", "gw-1")


@pytest.fixture
def root_log() -> Iterator[list[str]]:
    """What reaches the program's own log; pytest's fixture also sees what was kept from it."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    keep = Keep()
    logging.getLogger().addHandler(keep)
    yield lines
    logging.getLogger().removeHandler(keep)


def test_a_span_as_the_collector_sees_it() -> None:
    with collecting() as collector:
        otlp = sender(collector, {"x-secret": "s3cret"})
        try:
            assert otlp.send([traced()]) == ""
        finally:
            otlp.close()
    (span,) = collector.spans
    assert collector.paths == {"/v1/traces"}
    assert {name.lower(): value for name, value in collector.headers[0].items()}["x-secret"] == "s3cret"
    assert (span.name, span.kind, span.failed, span.parent_id) == ("chat auto", CLIENT, False, "")
    assert (span.start_ns, span.end_ns) == (1_700_000_000_000_000_000, 1_700_000_002_500_000_000)
    trace_id, span_id = ids_of("gen-1-a")
    assert (span.trace_id, span.span_id) == (f"{trace_id:032x}", f"{span_id:016x}")
    assert span.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "beta",
        "gen_ai.request.model": "auto",
        "gen_ai.request.stream": True,
        "gen_ai.response.model": "acme/fast",
        "gen_ai.response.id": "gen-1-a",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.response.time_to_first_chunk": 0.3,
        "gen_ai.conversation.id": "s-1",
        "gen_ai.usage.input_tokens": 123,
        "gen_ai.usage.cache_read.input_tokens": 20,
        "gen_ai.usage.cache_creation.input_tokens": 3,
        "gen_ai.usage.output_tokens": 50,
        "gen_ai.usage.reasoning.output_tokens": 10,
        "http.response.status_code": 200,
        "tokenworks.app": "An App",
        "tokenworks.attempts": 2,
        "tokenworks.attempts_failed": "acme:429",
        "tokenworks.cost_usd": 0.0015,
        "tokenworks.endpoint": "beta/fp8",
        "tokenworks.key_id": "key_1",
        "tokenworks.outcome": "ok",
        "tokenworks.session": "s-1",
        "tokenworks.kind": "chat",
        "tokenworks.tool_calls": 2,
        "tokenworks.ttft_s": 0.3,
        "tokenworks.decision.path": "cascade",
        "tokenworks.decision.task": "math",
        "tokenworks.decision.always_strong_usd": 0.009,
    }
    ours = {name: span.resource[name] for name in ("service.name", "service.version", "service.instance.id")}
    assert ours == {"service.name": "works", "service.version": __version__, "service.instance.id": "gw-1"}


def test_every_other_name_is_one_of_the_conventions() -> None:
    names = {name for name in attributes(traced(outcome="timeout")) if not name.startswith("tokenworks.")}
    assert "error.type" in names and len(names) > 10
    assert names <= CONVENTIONS


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        ("ok", None),
        ("client_gone", None),
        ("queued", None),
        ("timeout", "timeout"),
        ("upstream_error", "upstream_error"),
        ("killed", "killed"),
        ("", "_OTHER"),
    ],
)
def test_what_failed_is_marked_as_the_ledger_counts_it(outcome: str, error: str | None) -> None:
    with collecting() as collector:
        otlp = sender(collector)
        otlp.send([traced(outcome=outcome)])
        otlp.close()
    (span,) = collector.spans
    assert span.attributes.get("error.type") == error
    assert span.failed == (error is not None)


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        ("chat", "chat"),
        ("responses", "chat"),
        ("messages", "chat"),
        ("shadow", "chat"),
        ("completions", "text_completion"),
        ("embeddings", "embeddings"),
        ("count_tokens", "count_tokens"),
    ],
)
def test_operations(kind: str, operation: str) -> None:
    assert attributes(traced(kind=kind))["gen_ai.operation.name"] == operation


def test_a_batch_keeps_its_parents_apart_and_hostile_names_short() -> None:
    parent = Parent(0xABC, 0xDEF, True)
    denied = {"attempts": 0, "provider": "", "model": "", "decision": b"", "outcome": "denied"}
    with collecting() as collector:
        otlp = sender(collector)
        batch = [traced(parent), traced(id="gen-1-b", app="a\n" * 500), traced(id="gen-1-c", **denied)]
        assert otlp.send(batch) == ""
        assert otlp.send([traced(id="gen-1-d")]) == ""
        otlp.close()
    child, root, refused, later = collector.spans
    assert (child.trace_id, child.parent_id) == (f"{0xABC:032x}", f"{0xDEF:016x}")
    assert root.parent_id == later.parent_id == "" and root.trace_id != later.trace_id
    assert len(root.attributes["tokenworks.app"]) == 256
    assert refused.kind == SERVER and refused.failed
    assert not {"gen_ai.provider.name", "gen_ai.response.model"} & refused.attributes.keys()
    assert "somebody" not in str(collector.spans)  # who asked is nobody's business there


def test_a_failed_export_says_why_and_the_packages_stay_silent(root_log: list[str]) -> None:
    with collecting() as collector:
        collector.status = 401
        otlp = sender(collector, {"authorization": "Bearer s3cret"})
        reason = otlp.send([traced()])
        otlp.close()
    assert "401" in reason and "s3cret" not in reason
    assert not root_log


def test_closing_gives_up_an_export_that_is_tried_again(root_log: list[str]) -> None:
    otlp = OtlpSender(f"http://127.0.0.1:{free_port()}/v1/traces/", {}, "works", "gw-1")
    assert otlp.url.endswith("/v1/traces") and otlp.url.count("/v1") == 1
    threading.Timer(0.1, otlp.close).start()
    began = time.monotonic()
    reason = otlp.send([traced()])
    assert time.monotonic() - began < 0.8  # its first pause is 0.8 s at least
    assert "refused" in reason.lower() and len(reason) <= 300
    assert not root_log

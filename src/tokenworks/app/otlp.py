"""Spans of OpenTelemetry's GenAI conventions out of records, and their export by OTLP over HTTP.

Names of attributes stand here as text: the conventions' own module changes its constants from version to
version (https://github.com/open-telemetry/semantic-conventions-genai). Nothing that people or models wrote
is in a span.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from tokenworks import __version__
from tokenworks.app.tracing import MAX_REASON, Traced, ids_of
from tokenworks.ledger.record import Record
from tokenworks.ledger.rollups import NOT_ERRORS
from tokenworks.schema import NANO_USD

EXPORT_S = 5.0  # for one batch, its repetitions included
MAX_TEXT = 256  # characters of an attribute
TRACES_PATH = "/v1/traces"
OPERATIONS = {"completions": "text_completion", "embeddings": "embeddings", "count_tokens": "count_tokens"}

Value = str | bool | int | float | Sequence[str]


class OtlpSender:
    """Sends batches of spans to one collector; used by one thread."""

    def __init__(self, endpoint: str, headers: Mapping[str, str], service: str, instance: str) -> None:
        """``endpoint`` as other programs take it: what comes before ``/v1/traces``, or all of it."""
        base = endpoint.rstrip("/")
        self.url = base if base.endswith(TRACES_PATH) else base + TRACES_PATH
        self._complaints = _Complaints()
        logger = logging.getLogger("opentelemetry")  # it would tell of every batch
        logger.addHandler(self._complaints)
        logger.propagate = False
        self._exporter = OTLPSpanExporter(self.url, headers=dict(headers) or None, timeout=int(EXPORT_S))
        self._ids = _Ids()
        self._made = _Made()
        provider = TracerProvider(
            sampler=ALWAYS_ON,  # what comes here was chosen
            resource=Resource.create(
                {
                    "service.name": service,
                    "service.version": __version__,
                    "service.instance.id": instance,
                }
            ),
            id_generator=self._ids,
            span_limits=SpanLimits(max_span_attribute_length=MAX_TEXT),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(self._made)
        self._tracer = provider.get_tracer("tokenworks", __version__)

    def send(self, batch: Sequence[Traced]) -> str:
        """Send all or nothing; why it failed, or nothing."""
        self._made.spans = []
        for traced in batch:
            self._span(traced)
        self._complaints.first = ""
        if self._exporter.export(self._made.spans) is SpanExportResult.SUCCESS:
            return ""
        return self._complaints.first or "export failed"

    def close(self) -> None:
        """Give up what is being sent; may be called from another thread than ``send``."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _span(self, traced: Traced) -> None:
        record, parent = traced.record, traced.parent
        self._ids.trace_id, self._ids.span_id = ids_of(record.id)
        context = trace.set_span_in_context(trace.INVALID_SPAN)
        if parent is not None:
            remote = trace.SpanContext(
                parent.trace_id, parent.span_id, is_remote=True, trace_flags=trace.TraceFlags(1)
            )
            context = trace.set_span_in_context(trace.NonRecordingSpan(remote))
        made = attributes(traced)
        span = self._tracer.start_span(
            f"{made['gen_ai.operation.name']} {record.requested_model or record.model}"[:MAX_TEXT].rstrip(),
            context=context,
            kind=trace.SpanKind.CLIENT if record.attempts else trace.SpanKind.SERVER,
            attributes=made,
            start_time=record.time_us * 1000,
            record_exception=False,
        )
        if "error.type" in made:
            span.set_status(trace.StatusCode.ERROR)
        span.end((record.time_us + record.latency_us) * 1000)


def attributes(traced: Traced) -> dict[str, Value]:
    """What the span of a request tells; what is not known or nothing is left out."""
    r, auto = traced.record, traced.auto
    provider, _, _ = r.provider.partition("/")
    found: dict[str, Value] = {
        "gen_ai.operation.name": OPERATIONS.get(r.kind, "chat"),
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": r.requested_model or r.model,
        "gen_ai.request.stream": r.stream,
        "gen_ai.response.model": r.model,
        "gen_ai.response.id": r.id,
        "gen_ai.response.finish_reasons": [r.finish_reason] if r.finish_reason else [],
        "gen_ai.conversation.id": r.session,
        **_usage(r),
        "error.type": "" if r.outcome in NOT_ERRORS else r.outcome or "_OTHER",
        "http.response.status_code": r.status,
        "tokenworks.app": r.app,
        "tokenworks.attempts": r.attempts,
        "tokenworks.attempts_failed": r.reasons,
        "tokenworks.cost_usd": r.cost_nano_usd / NANO_USD,
        "tokenworks.endpoint": r.provider,
        "tokenworks.estimated": r.estimated,
        "tokenworks.key_id": r.key_id,
        "tokenworks.kind": r.kind,
        "tokenworks.outcome": r.outcome,
        "tokenworks.session": r.session,
        "tokenworks.tool_calls": r.tool_calls,
        "tokenworks.ttft_s": r.ttft_us / 1e6,
    }
    if r.stream:
        found["gen_ai.response.time_to_first_chunk"] = r.ttft_us / 1e6
    if auto is not None:
        found["tokenworks.decision.path"] = auto.path
        found["tokenworks.decision.task"] = auto.task
        found["tokenworks.decision.always_strong_usd"] = auto.baseline_nano_usd / NANO_USD
    return {name: value for name, value in found.items() if value or name in _ALWAYS}


_ALWAYS = ("gen_ai.operation.name", "tokenworks.attempts", "tokenworks.cost_usd")


def _usage(r: Record) -> dict[str, Value]:
    """All input counts as input here, cached or not, as the conventions say."""
    return {
        "gen_ai.usage.input_tokens": r.uncached_input_tokens + r.cache_read_tokens + r.cache_write_tokens,
        "gen_ai.usage.cache_read.input_tokens": r.cache_read_tokens,
        "gen_ai.usage.cache_creation.input_tokens": r.cache_write_tokens,
        "gen_ai.usage.output_tokens": r.output_tokens,
        "gen_ai.usage.reasoning.output_tokens": r.reasoning_tokens,
    }


class _Ids(IdGenerator):
    """The ids of the span that is made next."""

    trace_id = span_id = 1

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id


class _Made(SpanProcessor):
    """Collects the spans of one batch."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


class _Complaints(logging.Handler):
    """Why an export failed is told nowhere but in the packages' log."""

    first = ""

    def emit(self, record: logging.LogRecord) -> None:
        if not self.first:
            self.first = " ".join(record.getMessage().split())[:MAX_REASON]

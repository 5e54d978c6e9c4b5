"""Tracing chooses, queues and counts; a bad collector costs spans and nothing else."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from collecting import collecting

from tokenworks.app import tracing as tracings
from tokenworks.app.tracing import (
    MAX_BATCH,
    MAX_QUEUE,
    REST,
    Parent,
    Traced,
    Tracing,
    ids_of,
    parent_of,
    tracing,
)
from tokenworks.config.settings import ObservabilitySettings
from tokenworks.errors import ConfigError
from tokenworks.ledger import decided
from tokenworks.ledger.record import Record

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"


def record(number: int = 0, **more: Any) -> Record:
    return Record(id=f"gen-1-{number}", time_us=1, model="acme/fast", outcome="ok", **more)


def records(count: int, start: int = 0) -> list[Record]:
    return [record(start + number) for number in range(count)]


class Pretended:
    """A sender that keeps what it gets, fails while ``failure`` is set, waits while ``gate`` is closed."""

    url = "http://collector/v1/traces"

    def __init__(self) -> None:
        self.batches: list[Sequence[Traced]] = []
        self.failure: str | Exception = ""
        self.gate = threading.Event()
        self.gate.set()
        self.busy = threading.Event()

    def send(self, batch: Sequence[Traced]) -> str:
        self.busy.set()
        self.gate.wait()
        if isinstance(self.failure, Exception):
            raise self.failure
        if not self.failure:
            self.batches.append(batch)
        return self.failure

    def close(self) -> None:
        pass

    @property
    def ids(self) -> list[str]:
        return [traced.record.id for batch in self.batches for traced in batch]


@pytest.fixture
def sender() -> Pretended:
    return Pretended()


@pytest.fixture
def made(sender: Pretended, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Tracing]]:
    monkeypatch.setattr(tracings, "EVERY_S", 0.02)
    all_of_them: list[Tracing] = []

    def make(sample: float = 1.0) -> Tracing:
        all_of_them.append(Tracing(sender, sample))
        return all_of_them[-1]

    yield make
    sender.gate.set()
    for each in all_of_them:
        each._thread.join(0.01)
        each.close()


def until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 3
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("text", "sampled"),
    [
        (SAMPLED, True),
        (UNSAMPLED, False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be", True),
        ("", None),
        (f"00-{TRACE}-{SPAN}", None),
        (f"00-{TRACE}-{SPAN}-01-more", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE}-{SPAN}-01\n", None),
        (f" 00-{TRACE}-{SPAN}-01", None),
        (f"00-{TRACE[:-1]}-{SPAN}-01", None),
        (f"00-{TRACE[:-1]}٣-{SPAN}-01", None),
    ],
)
def test_the_callers_header(text: str, sampled: bool | None) -> None:
    expected = None if sampled is None else Parent(int(TRACE, 16), int(SPAN, 16), sampled)
    assert parent_of(text) == expected


def test_a_parent_decides_whether_there_is_a_span(made: Callable[..., Tracing], sender: Pretended) -> None:
    never = made(sample=0.0)
    never.observe([record(1), record(2, traceparent=SAMPLED), record(3, traceparent=UNSAMPLED)])
    never.close()
    assert sender.ids == ["gen-1-2"]
    assert sender.batches[0][0].parent == parent_of(SAMPLED)
    always = made()
    always.observe([record(4), record(5, traceparent="junk"), record(6, traceparent=UNSAMPLED)])
    always.close()
    assert sender.ids == ["gen-1-2", "gen-1-4", "gen-1-5"]
    assert sender.batches[-1][-1].parent is None
    assert always.sent == 2 and always.dropped == 0  # what was not chosen was not dropped


def test_a_share_is_that_share_and_the_same_everywhere(
    made: Callable[..., Tracing], sender: Pretended
) -> None:
    crowd = records(4000)
    some = made(sample=0.25)
    some.observe(crowd)
    some.close()
    assert 850 < len(sender.ids) < 1150
    again = made(sample=0.5)
    again.observe(crowd)
    again.close()
    assert set(sender.ids[: some.sent]) < set(sender.ids[some.sent :])


def test_ids_are_those_of_the_request() -> None:
    ids = {ids_of(f"gen-1-{number}") for number in range(1000)}
    assert len(ids) == 1000 and ids_of("gen-1-7") == ids_of("gen-1-7")
    assert all(0 < trace < 2**128 and 0 < span < 2**64 for trace, span in ids)


def test_of_a_decision_only_what_is_told_waits(made: Callable[..., Tracing], sender: Pretended) -> None:
    given = record(
        decision=decided.encode(decided.Decided("math", "direct", "s", 1.0, 5, 9, detail=b"x" * 9999))
    )
    some = made()
    some.observe([given, record(1, decision=b"\xc1")])
    some.close()
    (whole, broken) = sender.batches[0]
    assert whole.auto is not None and (whole.auto.task, whole.auto.baseline_nano_usd) == ("math", 9)
    assert whole.record.decision == b"" and given.decision
    assert broken.auto is None


def test_a_full_queue_drops_and_counts_and_never_waits(
    made: Callable[..., Tracing], sender: Pretended, caplog: pytest.LogCaptureFixture
) -> None:
    sender.gate.clear()
    some = made()
    some.observe([record()])
    assert sender.busy.wait(3)  # its thread hangs at the collector
    spent_s = time.thread_time()
    for start in range(0, 20_000, 1000):
        some.observe(records(1000, start=1 + start))
    spent_s = time.thread_time() - spent_s
    assert some.dropped == 20_000 - MAX_QUEUE
    assert spent_s < 0.3  # of each second of a drainer at 20,000 records
    sender.gate.set()
    until(lambda: some.sent == 1 + MAX_QUEUE)
    assert sender.ids == [f"gen-1-{number}" for number in range(1 + MAX_QUEUE)]
    assert max(map(len, sender.batches)) == MAX_BATCH
    until(lambda: len(caplog.records) == 1)
    some.observe(records(MAX_QUEUE + 5))  # again too many: told once a minute
    some.close()
    assert f"{20_000 - MAX_QUEUE} spans dropped, more come than can be sent" in caplog.text
    assert len(caplog.records) == 1
    assert some.sent + some.dropped == 20_001 + MAX_QUEUE + 5


def test_its_thread_leaves_the_interpreter_to_the_drainer_most_of_the_time(
    made: Callable[..., Tracing], sender: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compute(batch: Sequence[Traced]) -> str:
        until_s = time.thread_time() + 0.02
        while time.thread_time() < until_s:
            pass
        return ""

    monkeypatch.setattr(sender, "send", compute)
    some = made()
    began = time.monotonic()
    some.observe(records(3 * MAX_BATCH))
    until(lambda: some.sent == 3 * MAX_BATCH)
    assert time.monotonic() - began > 3 * 0.02 + 2 * REST * 0.02


@pytest.mark.parametrize("failure", ["no route", RuntimeError("no route")])
def test_a_collector_that_is_gone_is_told_once_and_once_when_it_is_back(
    made: Callable[..., Tracing],
    sender: Pretended,
    failure: str | Exception,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    some = made()
    sender.failure = failure
    for number in range(5):
        some.observe(records(2))
        until(lambda lost=2 * (number + 1): some.dropped == lost)  # type: ignore[misc]
    assert [each.levelname for each in caplog.records] == ["WARNING"]
    assert "no spans reach http://collector/v1/traces" in caplog.text and "no route" in caplog.text
    sender.failure = ""
    some.observe([record(1), record(2), record(3)])
    until(lambda: some.sent == 3)
    assert some.dropped == 10
    until(lambda: len(caplog.records) == 2)
    assert "sent again" in caplog.text and "10 dropped" in caplog.text


def test_the_end_sends_what_waits_but_not_for_ever(
    made: Callable[..., Tracing],
    sender: Pretended,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(tracings, "EVERY_S", 60.0)
    some = made()
    some.observe(records(MAX_BATCH - 1))  # would wait a minute
    some.close()
    assert some.sent == MAX_BATCH - 1 and not caplog.records
    sender.gate.clear()
    hung = made()
    hung.observe(records(MAX_BATCH + 3))
    began = time.monotonic()
    hung.close(0.2)
    assert time.monotonic() - began < 1
    assert "the end came" in caplog.text
    sender.gate.set()
    hung._thread.join(3)
    assert not hung._thread.is_alive()
    assert hung.sent + hung.dropped == MAX_BATCH + 3


def test_nothing_is_traced_unless_a_collector_is_named() -> None:
    assert tracing(ObservabilitySettings(), "gw") is None


def test_settings_reach_the_collector() -> None:
    with collecting() as collector:
        settings = ObservabilitySettings(collector.url, {"x-team": "blue"}, 0.0, "our works")
        made = tracing(settings, "gw-1")
        assert made is not None
        made.observe([record(1), record(2, traceparent=SAMPLED)])
        made.close()
        (span,) = collector.spans
    assert (span.trace_id, span.parent_id) == (TRACE, SPAN)
    assert span.resource["service.name"] == "our works" and made.sent == 1
    assert {name.lower(): value for name, value in collector.headers[0].items()}["x-team"] == "blue"


def test_a_missing_extra_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError("No module named 'opentelemetry'")

    monkeypatch.setattr(tracings.importlib, "import_module", missing)
    with pytest.raises(ConfigError, match=r"pip install 'tokenworks\[otel\]'"):
        tracing(ObservabilitySettings("http://127.0.0.1:4318"), "gw")

"""What is measured of an engine: the real one with runs as small as can be, and the sums."""

import contextlib
import os
import threading
from typing import Any

import msgspec
import pytest

from tokenworks.config.settings import EngineSettings
from tokenworks.engines import speed
from tokenworks.engines.single import Streamed


def test_memory_of_this_process() -> None:
    resident, own = speed.process_memory(os.getpid())
    assert resident > own > 10
    assert speed.process_memory(2**30) == (0.0, 0.0)


def test_everything_once(small: EngineSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "PARALLEL", ())
    monkeypatch.setattr(speed, "TYPES", ("q4_0",))
    monkeypatch.setattr(speed, "MEMORY_CONTEXT", 2048)
    monkeypatch.setattr(speed, "ANSWER_TOKENS", 3)
    monkeypatch.setattr(speed, "DRAFT_ANSWER_TOKENS", 8)
    monkeypatch.setattr(speed, "REPETITIVE", "Say one two.")
    monkeypatch.setattr(speed, "ORDINARY", "Say more.")
    monkeypatch.setattr(speed, "WARM_PREFIX_LINES", 2)
    told: list[tuple[str, int, int]] = []
    engine = msgspec.structs.replace(small, threads=1)
    found = speed.measure("small", engine, lambda *each: told.append(each), rounds=1)
    (q4,) = found.memory
    assert q4.cache_mib == pytest.approx(12.7, abs=0.1)
    assert q4.resident_mib >= q4.own_mib > q4.cache_mib
    assert [row.prompt for row in found.speculation] == ["repetitive", "ordinary"]
    assert all(row.same_answer and row.accepted <= row.drafted for row in found.speculation)
    assert found.prompt.warm_cached_tokens > found.prompt.tokens // 2
    assert found.prompt.warm_ms < found.prompt.cold_ms
    assert told[-1] == ("done", 4, 4) and [done for _, done, _ in told] == [0, 1, 2, 3, 4]


def test_speculation_row() -> None:
    def said(text: str, rate: float, **more: int) -> dict[str, Any]:
        return {
            "choices": [{"message": {"content": text}}],
            "timings": {"predicted_per_second": rate, **more},
        }

    row = speed._speculation("p", said("x", 10.04), said("x", 20.0, draft_n=8, draft_n_accepted=6))
    assert row == speed.SpeculationRow("p", 10.0, 20.0, 8, 6, True)
    assert not speed._speculation("p", said("x", 1), said("y", 1)).same_answer


class Together:
    """Answers only once all are there; what each takes is made up."""

    def __init__(self, requests: int) -> None:
        self.all_there = threading.Barrier(requests, timeout=5)
        self.asked: list[str] = []

    def stream(self, body: dict[str, Any]) -> Streamed:
        self.asked.append(body["messages"][0]["content"])
        self.all_there.wait()
        return Streamed(0.1, 48, 0.0, 4.7)


def test_requests_at_once_are_at_once(small: EngineSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Together(4)
    monkeypatch.setattr(speed, "running", lambda name, engine: contextlib.nullcontext(fake))
    row = speed._parallel("small", small, 4, rounds=2)
    assert row.requests == 4 and row.each_tokens_per_s == 10.0 and row.tokens_per_s > 0
    assert len(set(fake.asked)) == 8, "no prompt is asked twice, else its beginning would be cached"

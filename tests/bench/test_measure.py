from typing import Any

from measure import Held, Snapshot, foreign_share, lost_or_repeated


def shot(at: float, gateway_s: float, others_s: float, busy_s: float) -> Snapshot:
    return Snapshot(at, int(gateway_s * 1e9), 0, 0, 0.0, int(others_s * 1e9), busy_s)


def test_foreign_share_is_what_neither_gateways_nor_harness_used(monkeypatch: Any) -> None:
    monkeypatch.setattr("measure.os.cpu_count", lambda: 2)
    before, after = shot(0.0, 0.0, 0.0, 100.0), shot(10.0, 4.0, 1.0, 112.0)
    assert foreign_share(before, after, loadgen_s=3.0) == (12.0 - 4.0 - 1.0 - 3.0) / 20.0
    assert foreign_share(before, after, loadgen_s=9.0) == 0.0


def test_a_request_that_the_gateway_sent_twice_is_noticed() -> None:
    report = {"completed": 10, "errors": {"total": 0}, "upstream": {"answers": 6, "finished": 4}}
    assert lost_or_repeated(report) == ""
    report["upstream"] = {"answers": 7, "finished": 4}
    assert "answered 11" in lost_or_repeated(report)


def test_waiting_streams_share_the_memory() -> None:
    held = Held("g", "1k", sent=1000, open=500, base_kib=1000, held_kib=11_000, errors=0)
    assert held.per_stream_kib == 10.0
    assert Held("g", "1k", 1000, 0, 1000, 11_000, 1000).per_stream_kib == 0.0

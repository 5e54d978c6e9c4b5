"""The C programs: the load generator counts what the upstream sent, and notices what is missing."""

import shutil
import time
from collections.abc import Iterator

import pytest

from instance import Bench, Cores, Instance, Load
from peers import Direct

pytestmark = pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler (cc)")


@pytest.fixture(scope="module")
def direct() -> Iterator[tuple[Bench, Instance]]:
    with Bench(Cores(0, 0), ["answer"]) as bench:
        yield bench, bench.open(Direct())


def test_answers_are_counted_on_both_sides(direct: tuple[Bench, Instance]) -> None:
    bench, instance = direct
    options = "--requests 50 --connections 4 --seconds 20"
    report = bench.run(instance, Load("closed", "answer", 20_000, options))
    assert (report["sent"], report["completed"], report["errors"]["total"]) == (50, 50, 0)
    assert report["upstream"]["answers"] == 50
    assert report["upstream"]["prompt_tokens"] == 50 * 20_000 // 4
    assert report["latency_us"]["p99"] >= report["latency_us"]["p50"] > 0


@pytest.mark.parametrize("script", ["stream-40", "stream-40-pace-1"])
def test_streams_arrive_whole_and_in_order(direct: tuple[Bench, Instance], script: str) -> None:
    bench, instance = direct
    report = bench.run(instance, Load("stream", script, 1000, "--streams 5 --chunks 40"))
    assert (report["completed"], report["chunks"], report["errors"]["total"]) == (5, 200, 0)
    assert report["upstream"]["finished"] == 5
    assert report["upstream"]["completion_tokens"] == report["upstream"]["chunks"] == 200


def test_a_stream_with_a_chunk_too_few_is_an_error(direct: tuple[Bench, Instance]) -> None:
    bench, instance = direct
    report = bench.run(instance, Load("stream", "stream-39", 1000, "--streams 2 --chunks 40"))
    assert (report["completed"], report["errors"]["incomplete"]) == (0, 2)
    assert "39 chunks" in report["errors"]["first"]


def test_held_streams_are_aborted_and_the_upstream_sees_it(direct: tuple[Bench, Instance]) -> None:
    bench, instance = direct
    options = "--streams 3 --hold --seconds 0.2"
    report = bench.run(instance, Load("stream", "stream-1000-pace-50", 1000, options))
    assert (report["aborted"], report["errors"]["total"], report["open_max"]) == (3, 0, 3)
    deadline = time.monotonic() + 10
    while bench.upstream.stats()["open"] and time.monotonic() < deadline:
        time.sleep(0.01)
    stats = bench.upstream.stats()
    assert (stats["open"], stats["aborted"]) == (0, 3)

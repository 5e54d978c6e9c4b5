"""The C programs: the load generator counts what the upstream sent, and notices what is missing."""

import json
import shutil
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from instance import Bench, Cores, Instance, Load
from native import build
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


# The checks of Messages answers, on answers written by hand.

WHOLE = {
    "type": "message",
    "content": [{"type": "text", "text": "lorem the-end"}],
    "stop_reason": "end_turn",
    "usage": {"cache_read_input_tokens": 0, "input_tokens": 50, "output_tokens": 20},
}


def head(kind: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n".encode()


def event(value: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (
        value["type"].encode(),
        json.dumps(value, separators=(",", ":")).encode(),
    )


def delta(number: int) -> bytes:
    text = f" @{number:06d}:{1:019d}"
    return event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})


def end(output_tokens: int) -> bytes:
    usage = {"input_tokens": 50, "output_tokens": output_tokens}
    return event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage})


START = event({"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}})
STOP = event({"type": "message_stop"})
CHAT = b'data: {"choices":[{"delta":{"content":" @000000:0000000000000000001"}}]}\n\n'
CHAT_END = b'data: {"choices":[],"usage":{"total_tokens":3}}\n\ndata: [DONE]\n\n'


@contextmanager
def server(answer: bytes, seen: list[bytes]) -> Iterator[int]:
    """A server that gives every connection one request's answer, and its port."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            request = b""
            while (line := self.rfile.readline()) not in (b"\r\n", b""):
                request += line
            length = next(int(row.split(b":")[1]) for row in request.split(b"\r\n") if b"ength" in row)
            seen.append(request + self.rfile.read(length))
            self.wfile.write(answer)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = True

    with Server(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield int(running.server_address[1])
        finally:
            running.shutdown()
            thread.join()


def generate(tmp_path: Path, mode: str, answer: bytes, *options: str) -> tuple[dict[str, Any], bytes]:
    """Report of a single request that gets ``answer``, and the request."""
    body, seen = tmp_path / "body.json", []  # type: Path, list[bytes]
    body.write_text("{}")
    with server(answer, seen) as port:
        argv = [str(build("loadgen")), mode, "--port", str(port), "--body", str(body), "--timeout", "5"]
        argv += [
            "--answers",
            "messages",
            "--path",
            "/v1/messages",
            "--header",
            "anthropic-version:2023-06-01",
        ]
        done = subprocess.run([*argv, *options], capture_output=True, timeout=30)
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report, seen[0]


def whole(tmp_path: Path, answer: object) -> dict[str, Any]:
    text = json.dumps(answer, separators=(",", ":")).encode()
    options = ("--connections", "1", "--requests", "1", "--seconds", "5")
    report, request = generate(tmp_path, "closed", head("application/json") + text, *options)
    assert request.startswith(b"POST /v1/messages HTTP/1.1\r\n")
    assert b"\r\nanthropic-version:2023-06-01\r\n" in request
    return report


def stream(tmp_path: Path, *events: bytes) -> dict[str, Any]:
    answer = head("text/event-stream") + b"".join(events)
    return generate(tmp_path, "stream", answer, "--streams", "1", "--chunks", "2")[0]


def test_a_whole_answer_is_complete(tmp_path: Path) -> None:
    report = whole(tmp_path, WHOLE)
    assert (report["completed"], report["errors"]["total"]) == (1, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"usage": {"input_tokens": 0, "output_tokens": 20}},
        {"usage": {"cache_read_input_tokens": 50, "output_tokens": 20}},
        {"usage": {"input_tokens": 50, "output_tokens": 0}},
        {"stop_reason": None},
        {"content": [{"type": "text", "text": "lorem"}]},
        {"usage": {"prompt_tokens": 50, "completion_tokens": 20, "total_tokens": 70}},
    ],
)
def test_a_whole_answer_that_lacks_something_is_an_error(tmp_path: Path, change: dict[str, Any]) -> None:
    report = whole(tmp_path, WHOLE | change)
    assert (report["completed"], report["errors"]["incomplete"]) == (0, 1)


def test_a_stream_is_counted_by_its_deltas(tmp_path: Path) -> None:
    report = stream(tmp_path, START, delta(0), delta(1), end(2), STOP)
    assert (report["completed"], report["chunks"], report["no_usage"]) == (1, 2, 0)
    assert report["errors"]["total"] == 0


def test_a_stream_that_tells_no_tokens_is_complete_and_counted(tmp_path: Path) -> None:
    report = stream(tmp_path, START, delta(0), delta(1), end(0), STOP)
    assert (report["completed"], report["no_usage"], report["errors"]["total"]) == (1, 1, 0)


@pytest.mark.parametrize(
    "events",
    [
        [START, delta(0), delta(1), end(2)],
        [START, delta(0), end(2), STOP],
        [START, delta(1), delta(0), end(2), STOP],
        [START, delta(0), end(2), STOP, delta(1)],
        [START, delta(0), delta(0), end(2), STOP],
        [CHAT, CHAT.replace(b"000000:", b"000001:"), CHAT_END],
    ],
    ids=["no end", "too few", "wrong order", "after the end", "twice", "untranslated"],
)
def test_a_stream_that_is_not_whole_is_an_error(tmp_path: Path, events: list[bytes]) -> None:
    report = stream(tmp_path, *events)
    assert (report["completed"], report["errors"]["incomplete"]) == (0, 1)


def test_an_unknown_wire_is_refused(tmp_path: Path) -> None:
    argv = [str(build("loadgen")), "closed", "--port", "1", "--body", "x", "--answers", "sonnets"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    assert (done.returncode, "chat or messages, not sonnets" in done.stderr) == (2, True)

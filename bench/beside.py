"""What people notice of a batch: the same interactive requests without one and beside one that never ends.

python bench/beside.py                      # three rounds of each, about two minutes
python bench/beside.py --seconds 5 --rounds 1
python bench/beside.py --json out.json

Interactive requests come at a fixed rate to a model that answers after ``--answer-ms``; the batch's model
answers at once, so that the batch takes all that it is given. Their upstream stands for other machines, but
it runs here and takes its share of this one. Rounds without and with the batch take turns; the figure is the
ratio of their medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
from rich.console import Console

from bodies import BODIES
from instance import free_ports, last
from native import build
from report import plain_table

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT / "tests" / "support") not in sys.path:
    sys.path.append(str(ROOT / "tests" / "support"))

from serving import Server, acme  # noqa: E402

ITEMS = 50_000  # of one batch, the most that one may have; more than a round takes
BEGIN_S = 60.0
WARM_S = 5.0  # after a batch has begun


@dataclass
class Round:
    """One round of interactive requests. Milliseconds."""

    beside: bool
    requests: int
    p50_ms: float
    p99_ms: float
    items_per_s: float = 0.0  # of the batch meanwhile


class Lab:
    """A server with two models: ``acme/fast`` is the batch's, ``acme/slow`` answers after a while."""

    def __init__(self, folder: Path, stack: ExitStack, answer_ms: int) -> None:
        self.folder = folder
        self.loadgen = build("loadgen")
        (port,) = free_ports(1)
        stack.enter_context(_process([str(build("upstream")), str(port)]))
        config = acme(f"http://127.0.0.1:{port}/v1") + acme(f"http://127.0.0.1:{port}/v1", "beta")
        first, _, second = config.partition("[providers.beta]")
        second = second.replace("acme/fast", "acme/slow").replace('"fast-1"', f'"answer-after-{answer_ms}"')
        config = first.replace('"fast-1"', '"answer"') + "[providers.beta]" + second
        self.server = Server(folder / "home", config).start()
        stack.callback(self.server.close)
        self.http = stack.enter_context(
            httpx.Client(base_url=f"{self.server.url}/v1", headers=self.server.headers, timeout=60)
        )

    def begin(self) -> str:
        """Submit a batch; its id, once items of it are done."""
        body = {
            "model": "acme/fast",
            "messages": [{"role": "user", "content": "Translate: " + "word " * 150}],
        }
        lines = (
            json.dumps(
                {"custom_id": f"i{n}", "method": "POST", "url": "/v1/chat/completions", "body": body},
                separators=(",", ":"),
            )
            for n in range(ITEMS)
        )
        file = {"file": ("items.jsonl", "\n".join(lines).encode()), "purpose": (None, "batch")}
        uploaded = self.http.post("/files", files=file).raise_for_status().json()
        order = {
            "input_file_id": uploaded["id"],
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        }
        batch: str = self.http.post("/batches", json=order).raise_for_status().json()["id"]
        deadline = time.monotonic() + BEGIN_S
        while not self.done(batch):
            told = self.http.get(f"/batches/{batch}").json()
            if told["status"] not in ("validating", "in_progress") or time.monotonic() > deadline:
                raise SystemExit(f"the batch does not begin: {json.dumps(told)}; {self.server.log()[-2000:]}")
            time.sleep(0.5)
        return batch

    def done(self, batch: str) -> int:
        """Items of it that are done."""
        counts = self.http.get(f"/batches/{batch}").raise_for_status().json()["request_counts"]
        return int(counts["completed"]) + int(counts["failed"])

    def ask(self, seconds: float, rate: float) -> Round:
        """Interactive requests for so long."""
        body = self.folder / "body.json"
        body.write_bytes(BODIES["chat"]("acme/slow", 1000, False))
        argv = [str(self.loadgen), "open", "--port", str(self.server.port), "--body", str(body)]
        argv += ["--key", self.server.key, "--rate", str(rate), "--seconds", str(seconds)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as popen:
            assert popen.stdout is not None
            told = json.loads(last(popen.stdout))
        if told["completed"] != told["sent"]:
            raise SystemExit(f"{told['sent'] - told['completed']} of {told['sent']} requests failed: {told}")
        delay = told["latency_us"]
        return Round(False, told["completed"], delay["p50"] / 1000, delay["p99"] / 1000)

    def beside(self, seconds: float, rate: float) -> Round:
        """The same while a batch runs all the time."""
        batch = self.begin()
        time.sleep(WARM_S)
        before, began = self.done(batch), time.monotonic()
        found = self.ask(seconds, rate)
        after, took = self.done(batch), time.monotonic() - began
        if after >= ITEMS:
            raise SystemExit(f"the batch of {ITEMS} ended before the round did; fewer --seconds")
        self.http.post(f"/batches/{batch}/cancel").raise_for_status()
        while self.http.get(f"/batches/{batch}").json()["status"] != "cancelled":
            time.sleep(0.2)
        found.beside, found.items_per_s = True, (after - before) / took
        return found


@contextmanager
def _process(argv: list[str]) -> Iterator[None]:
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def show(rounds: list[Round], answer_ms: int) -> None:
    """The rounds, and what they come to."""
    table = plain_table("Interactive requests", ["", "requests"], ["p50 ms", "p99 ms", "batch items/s"])
    for each in rounds:
        table.add_row(
            "beside a batch" if each.beside else "alone",
            str(each.requests),
            f"{each.p50_ms:.1f}",
            f"{each.p99_ms:.1f}",
            f"{each.items_per_s:.0f}" if each.beside else "",
        )
    Console().print(table)
    alone = statistics.median(each.p99_ms for each in rounds if not each.beside)
    beside = statistics.median(each.p99_ms for each in rounds if each.beside)
    print(
        f"p99 beside a batch {beside:.1f} ms, alone {alone:.1f} ms: {beside / alone:.2f}x"
        f" (the model takes {answer_ms} ms;"
        f" added {beside - answer_ms:.1f} against {alone - answer_ms:.1f} ms)"
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="bench/beside.py"
    )
    parser.add_argument("--seconds", type=float, default=6.0, help="of one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=40.0, help="interactive requests a second")
    parser.add_argument("--answer-ms", type=int, default=250, help="how long the model takes")
    parser.add_argument("--json", type=Path, help="write the rounds here")
    given = parser.parse_args()
    rounds: list[Round] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tokenworks-bench-")))
        lab = Lab(folder, stack, given.answer_ms)
        lab.ask(3.0, given.rate)
        for _ in range(given.rounds):
            rounds += [lab.ask(given.seconds, given.rate), lab.beside(given.seconds, given.rate)]
    show(rounds, given.answer_ms)
    if given.json:
        given.json.write_text(json.dumps([asdict(each) for each in rounds], indent=1))


if __name__ == "__main__":
    main()

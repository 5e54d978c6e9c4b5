"""Is an agent's model stuck? Tokenworks' stage and NVIDIA NeMo Switchyard's stage router on the same turns.

python bench/stage.py                     # all labelled turns, and what a decision costs
python bench/stage.py --json out.json     # the figures of all tables, for programs
python bench/stage.py --skip-cost         # the labels only, some seconds

The turns stand in tests/support/turns, each on three wires. Switchyard runs as its own server on loopback
with a scripted upstream for its two targets, and says in a header which of them it chose; every request holds
the whole conversation and no session. It is no dependency of this project: ``pip install
nemo-switchyard==0.3.0``. Without it only our own figures are printed. Times are CPU times of this process.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx
import msgspec
from rich.console import Console

from report import plain_table
from tokenworks.routing import command, outcome_of_tool
from tokenworks.routing.stage import assess
from tokenworks.wire.history import read
from tokenworks.wire.peek import peek

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT / "tests" / "support") not in sys.path:
    sys.path.append(str(ROOT / "tests" / "support"))
os.environ.setdefault("RUST_LOG", "off")  # Switchyard tells every request

from turns import PARTS, WIRES, Case, cases  # noqa: E402

try:
    from switchyard_rust.server import Server
except ImportError:
    Server = None

PATHS = dict(zip(WIRES, ("/v1/chat/completions", "/v1/messages", "/v1/responses"), strict=True))
CHOSEN = "x-model-router-selected-model"
SIZE = 200_000  # bytes of the conversation that a decision is timed on
WINDOWS = (3, 5)  # tool results: Switchyard's default, and that of its published profile for DeepSWE
Judge = Callable[[str, dict[str, Any]], bool]


@dataclass
class Tally:
    """How one judge did on one part of the turns."""

    judge: str
    part: str
    hits: int = 0
    misses: int = 0
    alarms: int = 0  # false ones
    rests: int = 0
    wrong: dict[str, int] = field(default_factory=dict)  # by shape

    def take(self, case: Case, said: bool) -> None:
        """Count what was said of ``case``."""
        if said and case.stuck:
            self.hits += 1
        elif said:
            self.alarms += 1
        elif case.stuck:
            self.misses += 1
        else:
            self.rests += 1
        if said != case.stuck:
            self.wrong[case.shape] = self.wrong.get(case.shape, 0) + 1

    @property
    def precision(self) -> float:
        return self.hits / (self.hits + self.alarms) if self.hits + self.alarms else 0.0

    @property
    def recall(self) -> float:
        return self.hits / (self.hits + self.misses) if self.hits + self.misses else 0.0


def tally(name: str, part: str, judge: Judge) -> Tally:
    """What ``judge`` says of every case of ``part`` on every wire."""
    found = Tally(name, part)
    for case in cases(part):
        for wire in WIRES:
            found.take(case, judge(wire, case.body(wire)))
    return found


def ours(wire: str, body: dict[str, Any]) -> bool:
    """Whether the next turn goes to the strong model here."""
    return assess(read(wire, peek(json.dumps(body, ensure_ascii=False).encode()))).tier == "strong"


# --- Switchyard -------------------------------------------------------------------------------


class Upstream(BaseHTTPRequestHandler):
    """Answers every chat request with one word."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together
    ANSWER: ClassVar = {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(self.ANSWER | {"model": "scripted"}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def routes(port: int) -> str:
    """Switchyard's configuration: its stage router with each window, and a route that decides nothing."""
    told = [
        "schema_version = 1",
        f'[llm_clients.up]\nformat = "openai_chat"\nbase_url = "http://127.0.0.1:{port}/v1"',
        '[targets.capable]\nid = "strong"\nllm_client = "up"',
        '[targets.efficient]\nid = "cheap"\nllm_client = "up"',
        '[routes.none]\nid = "none"\ntype = "passthrough"\ntarget = "efficient"',
    ]
    for window in WINDOWS:
        told.append(
            f'[routes.w{window}]\nid = "window-{window}"\ntype = "stage_router"\ncapable_target = "capable"\n'
            'efficient_target = "efficient"\npicker = "efficient_first"\nconfidence_threshold = 0.5\n'
            f"recent_turn_window = {window}"
        )
    return "\n".join(told) + "\n"


class Switchyard:
    """Its server on loopback. ``ask`` gives what its routes choose."""

    def __init__(self, base_url: str) -> None:
        self._client = httpx.Client(base_url=base_url, trust_env=False, timeout=30.0)

    def ask(self, route: str, wire: str, body: dict[str, Any] | bytes) -> str:
        """The target that ``route`` chose. Raises ValueError when the request was refused."""
        if isinstance(body, dict):
            body = json.dumps(body | {"model": route}, ensure_ascii=False).encode()
        answer = self._client.post(PATHS[wire], content=body, headers={"content-type": "application/json"})
        if answer.status_code != 200:
            raise ValueError(f"Switchyard refused a request on {wire}: {answer.text[:200]}")
        return answer.headers.get(CHOSEN, "")

    def judge(self, window: int) -> Judge:
        return lambda wire, body: self.ask(f"window-{window}", wire, body) == "strong"


@contextmanager
def switchyard() -> Iterator[Switchyard]:
    """Starts the server and its upstream."""
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    upstream.daemon_threads = True
    thread = threading.Thread(target=upstream.serve_forever, daemon=True)
    thread.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "routes.toml"
            file.write_text(routes(upstream.server_port))
            with Server(str(file), port=0) as server:
                asked = Switchyard(server.base_url)
                try:
                    yield asked
                finally:
                    asked._client.close()
    finally:
        upstream.shutdown()
        upstream.server_close()
        thread.join()


# --- what a decision costs --------------------------------------------------------------------


@dataclass
class Cost:
    """CPU of one decision on one wire, in milliseconds. ``cold``: none of its results was seen before."""

    judge: str
    wire: str
    p50_ms: float
    p99_ms: float | None = None
    cold_p50_ms: float | None = None
    cold_p99_ms: float | None = None


def long_case() -> Case:
    """All tuned turns again and again, up to ``SIZE`` bytes: half of the results are failures."""
    steps = [step for case in cases("tuned") for step in case.steps]
    case = Case("long", False, "", "codex")
    for step in steps * 50:
        case.steps.append(step)
        if len(case.steps) % 40 == 0 and len(json.dumps(case.body(WIRES[0]))) > SIZE:
            break
    return case


def times_ms(work: Callable[[], object], rounds: int) -> list[float]:
    """CPU time of this process for each round, sorted."""
    spent = []
    for _ in range(rounds):
        start = time.process_time_ns()
        work()
        spent.append((time.process_time_ns() - start) / 1e6)
    return sorted(spent)


def at(sorted_ms: Sequence[float], share: float) -> float:
    return sorted_ms[min(len(sorted_ms) - 1, int(share * len(sorted_ms)))]


def own_cost(case: Case, wire: str, rounds: int) -> Cost:
    """Reading the conversation and assessing it; the body is split into fields before, as for any request."""
    fields = peek(json.dumps(case.body(wire)).encode())

    def cold() -> None:
        command.work_of.cache_clear()
        outcome_of_tool.forget()
        assess(read(wire, fields))

    first = times_ms(cold, rounds)
    warm = times_ms(lambda: assess(read(wire, fields)), rounds)
    return Cost("tokenworks", wire, at(warm, 0.5), at(warm, 0.99), at(first, 0.5), at(first, 0.99))


def their_cost(asked: Switchyard, case: Case, wire: str, rounds: int) -> Cost:
    """CPU of a request to the stage route less that of one to a route that decides nothing.

    Both are asked in turn; the median of the differences is told, a tail of differences would be noise.
    """
    bodies = {
        route: json.dumps(case.body(wire) | {"model": route}).encode() for route in ("none", "window-3")
    }
    differences = []
    for _ in range(rounds):
        nothing, spent = (times_ms(lambda r=r: asked.ask(r, wire, bodies[r]), 1)[0] for r in bodies)
        differences.append(spent - nothing)
    return Cost("switchyard", wire, at(sorted(differences), 0.5))


# --- tables -----------------------------------------------------------------------------------


def label_table(tallies: Sequence[Tally]) -> Any:
    title = "Stuck or not: labelled turns, each on three wires"
    figures = ["turns", "precision", "recall", "false alarms", "misses"]
    table = plain_table(title, ["part", "judge"], figures)
    for one in tallies:
        turns = one.hits + one.misses + one.alarms + one.rests
        rates = (f"{one.precision:.3f}", f"{one.recall:.3f}")
        table.add_row(one.part, one.judge, str(turns), *rates, str(one.alarms), str(one.misses))
    return table


def shape_table(tallies: Sequence[Tally]) -> Any:
    """Turns judged wrongly, by shape, over both parts."""
    judges = list(dict.fromkeys(one.judge for one in tallies))
    counts: dict[str, int] = {}
    for part in PARTS:
        for case in cases(part):
            counts[case.shape] = counts.get(case.shape, 0) + len(WIRES)
    table = plain_table("Turns judged wrongly, by shape", ["shape"], ["turns", *judges])
    for shape, turns in sorted(counts.items()):
        wrong = [sum(one.wrong.get(shape, 0) for one in tallies if one.judge == judge) for judge in judges]
        table.add_row(shape, str(turns), *map(str, wrong))
    return table


def cost_table(costs: Sequence[Cost]) -> Any:
    title = f"CPU of one decision on a conversation of {SIZE // 1000} KB, ms"
    table = plain_table(title, ["judge", "wire"], ["p50", "p99", "p50, all new", "p99, all new"])
    for one in costs:
        figures = (one.p50_ms, one.p99_ms, one.cold_p50_ms, one.cold_p99_ms)
        told = ["–" if figure is None else f"{figure:.2f}" for figure in figures]
        table.add_row(one.judge, one.wire, *told)
    return table


def measured(rounds: int) -> tuple[list[Tally], list[Cost]]:
    """All figures; ``rounds`` of 0: no costs."""
    tallies = [tally("tokenworks", part, ours) for part in PARTS]
    case = long_case()
    costs = [own_cost(case, wire, rounds) for wire in WIRES] if rounds else []
    if Server is not None:
        with switchyard() as asked:
            for window in WINDOWS:
                name = f"switchyard, window {window}"
                tallies += [tally(name, part, asked.judge(window)) for part in PARTS]
            if rounds:
                costs += [their_cost(asked, case, wire, rounds) for wire in WIRES]
    return sorted(tallies, key=lambda one: PARTS.index(one.part)), costs


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--rounds", type=int, default=200, help="decisions that are timed")
    parser.add_argument("--skip-cost", action="store_true", help="judge the labels only")
    options = parser.parse_args(argv)
    console = Console(width=120)
    tallies, costs = measured(0 if options.skip_cost else options.rounds)
    console.print(label_table(tallies), shape_table(tallies))
    if costs:
        console.print(cost_table(costs))
    if Server is None:
        console.print("nemo-switchyard is not installed: pip install nemo-switchyard==0.3.0 to compare")
    figures = {
        "tallies": [asdict(one) | {"precision": one.precision, "recall": one.recall} for one in tallies],
        "costs": [asdict(one) for one in costs],
    }
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(figures)))
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())

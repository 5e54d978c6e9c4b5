"""What batches do under kill -9 and load: python bench/batches.py --part kills|items|dialogue|novel.

- kills: a novel is translated through a real server by a scripted translator, while server and worker are
  killed at random. Every paragraph must be there once, and nothing that was kept may be asked for again.
- items: many tiny requests with an upstream that answers at once: own CPU and items a second, on SQLite and
  PostgreSQL; then three workers on PostgreSQL, one of which is killed.
- dialogue: thousands of rounds of one conversation; cost and context of each, with a picture.
- novel: one chapter by a model that runs here: time, tokens, cost and the most memory.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

from batching import (
    WorkerProcess,
    asked_for,
    batch_row,
    handed_in,
    lines_of,
    over,
    part_rows,
    submitted,
    until,
)
from postgres import Postgres
from serving import Server, acme, chat
from toy_provider import translating

import procfs
from killing import killed_novel
from tokenworks.batches.kept import part_of
from tokenworks.batches.reason import flagged
from tokenworks.batches.recipes.recipe import Ask
from tokenworks.config.load import load
from tokenworks.ledger.batched import BatchRow, PartRow
from tokenworks.ledger.store import Store, open_store
from tokenworks.providers.scripted import Reply, Script, running

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("TOKENWORKS_TEST_DATA") or ROOT.parent / "shared" / "data")
NOVEL = DATA / "novel" / "pride-and-prejudice.txt"
FAR_S = 3600.0
AT_ONCE = 1000
TALK = (
    "the wind turned at dusk and lamps along the quay were lit one after another while we spoke of the "
    "tide the harbour master the price of rope two letters that never came and a map with a torn corner"
)
WORDS = TALK.split()


def kills(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """See above."""
    with translating(delay_s=given.delay) as provider:
        found = killed_novel(
            folder, given.novel, provider, kills=given.kills, seed=given.seed, chunk_tokens=given.chunk_tokens
        )
    return {"seed": given.seed, "novel": given.novel.name, **found}


# --- items


def items(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """See above."""
    found: dict[str, Any] = {"sqlite": many(given.count, folder / "sqlite", "")}
    database = Postgres().start()
    try:
        say(f"sqlite: {found['sqlite']}")
        found["postgresql"] = many(given.count, folder / "postgresql", database.database())
        say(f"postgresql: {found['postgresql']}")
        found["three_workers_one_killed"] = one_killed(given.count, folder, database.database())
    finally:
        WorkerProcess.kill_all()
        database.remove()
    return found


def many(count: int, home: Path, store_url: str) -> dict[str, Any]:
    """One server with its worker."""
    with running() as provider:
        ledger = f'[ledger]\nstore = "{store_url}"\n' if store_url else ""
        server = Server(home, ledger + acme(provider.base_url)).start()
        store = open_store(load(home).store_url)
        try:
            batch = put(store, count, server.key_id)
            until(store, submitted(store, 20, key_id=server.key_id).id, over)  # its worker is there then
            before, begun = cpu_s(server), time.monotonic()
            store.run_again(batch.id)
            row = until(store, batch.id, over, FAR_S)
            seconds, after = time.monotonic() - begun, cpu_s(server)
            each = {name: round(1e3 * (after[name] - before.get(name, 0.0)) / count, 3) for name in after}
            memory = procfs.memory(procfs.tree(server.process.pid)) if server.process else None
            return {
                "done": row.done, "failed": row.failed, "unique": unique(store, row),
                "seconds": round(seconds, 1), "items_per_s": round(count / seconds), "cpu_ms_per_item": each,
                "asked": len(provider.requests) - 20, "pss_mib": memory.pss_kib >> 10 if memory else None,
            }  # fmt: skip
        finally:
            store.close()
            server.close()


def one_killed(count: int, folder: Path, url: str) -> dict[str, Any]:
    """Three workers at a scripted provider; the first is killed after a third."""
    store = open_store(url)
    store.migrate()
    usual = {"look_s": 0.5, "round_s": 1.0, "poll_s": 0.5, "away_s": 0.5, "backoff_s": 2.0}
    with running(Script(reply=(Reply(first_byte_delay_s=0.03),))) as provider:
        log = folder / "workers.log"
        workers = [WorkerProcess(url, provider.origin, f"w{n}", log, **usual) for n in range(3)]
        while len(store.batch_workers()) < len(workers):
            time.sleep(0.1)
        time.sleep(2.0)
        batch = put(store, count, "k_1")
        store.run_again(batch.id)
        until(store, batch.id, lambda row: row.done >= 0.3 * count, FAR_S)
        say("three workers: one is killed")
        workers[0].kill()
        killed = time.monotonic()
        while "w0" in store.batch_workers():
            time.sleep(0.05)
        noticed_s = time.monotonic() - killed
        row = until(store, batch.id, over, FAR_S)
        asked = asked_for(provider)
        found = {
            "done": row.done, "failed": row.failed, "unique": unique(store, row),
            "noticed_after_s": round(noticed_s, 1), "over_after_s": round(time.monotonic() - killed, 1),
            "asked": len(asked), "asked_twice": len(asked) - len(set(asked)),
        }  # fmt: skip
    store.close()
    return found


def put(store: Store, count: int, key_id: str) -> BatchRow:
    """A batch of tiny requests, paused."""
    batch = batch_row(key_id=key_id, status="paused", id=f"batch_{time.time_ns():024x}")
    store.add_batch(batch)
    rows = [msgspec.structs.replace(row, request=_body(row.seq)) for row in part_rows(batch.id, count)]
    for first in range(0, count, AT_ONCE):
        store.add_parts(batch.id, rows[first : first + AT_ONCE])
    return batch


def _body(number: int) -> bytes:
    return msgspec.json.encode(chat(f"nr {number}"))


def unique(store: Store, row: BatchRow) -> int:
    """How many different requests have their line."""
    return len({line["custom_id"] for line in lines_of(store, row.output_file_id)})


def cpu_s(server: Server) -> dict[str, float]:
    """CPU seconds so far, by what a process is."""
    assert server.process is not None
    found: dict[str, float] = defaultdict(float)
    for pid in procfs.tree(server.process.pid):
        words = psutil.Process(pid).cmdline()
        name = next(
            (word.rpartition(".")[2] for word in words if word.startswith("tokenworks.app.")), "server"
        )
        found[name] += procfs.cpu_ns([pid]) / 1e9
    return dict(found)


# --- dialogue


def dialogue(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """See above."""
    turns = [f"Round {n}: what did you see from the bridge today?" for n in range(1, given.rounds + 1)]
    told = {"system": "You are the first mate.", "facts": ["The ship is called Petrel."], "turns": turns}
    with translating(other=Mate()) as provider:
        server = Server(folder / "home", acme(provider.base_url)).start()
        store = open_store(load(server.home).store_url)
        try:
            begun = time.monotonic()
            files = {"petrel.json": json.dumps(told)}
            batch = handed_in(store, files, kind="dialogue", key_id=server.key_id)
            row = until(store, batch.id, over, FAR_S)
            seconds = time.monotonic() - begun
            rounds = by_round(parts_of(store, batch.id))
        finally:
            store.close()
            server.close()
    costs = [cost for _, cost, _ in rounds]
    if given.plot:
        plot(rounds, given.plot)
    settled = costs[len(costs) // 10 :]  # a conversation that has only begun is cheaper
    middle = len(settled) // 2
    growth = statistics.fmean(settled[middle:]) / statistics.fmean(settled[:middle])
    return {
        "status": row.status, "rounds": len(rounds), "seconds": round(seconds, 1),
        "cost_usd": row.cost_nano_usd / 1e9, "usd_per_round": statistics.fmean(costs),
        "second_half_over_first": round(growth, 4),
        "most_context_tokens": max(context for _, _, context in rounds), "plot": str(given.plot or ""),
    }  # fmt: skip


class Mate:
    """Never says the same thing twice, and sums up in a line."""

    def __init__(self) -> None:
        self._asked = 0
        self._lock = threading.Lock()

    def __call__(self, ask: Ask) -> str:
        with self._lock:
            self._asked += 1
            at = self._asked
        last = ask.messages[-1]["content"]
        if "What is new:" in last:
            entries = re.findall(r"Entry (\d+)", last)
            return f"They talked on, last of entry {entries[-1] if entries else 0}."
        words = [WORDS[(at * 7 * step + step) % len(WORDS)] for step in range(20 + at * 7 % 90)]
        return f"Entry {at}: {' '.join(words)}."


def by_round(parts: Sequence[PartRow]) -> list[tuple[int, float, int]]:
    """Each round with what it cost in dollars and the tokens of its largest request."""
    cost: dict[int, float] = defaultdict(float)
    context: dict[int, int] = defaultdict(int)
    for part in parts:
        number = part_of(part).data["round"]
        cost[number] += part.cost_nano_usd / 1e9
        context[number] = max(context[number], part.input_tokens + part.output_tokens)
    return [(number, cost[number], context[number]) for number in sorted(cost)]


def plot(rounds: Sequence[tuple[int, float, int]], file: Path) -> None:
    """Cost and context of each round."""
    matplotlib = importlib.import_module("matplotlib")
    matplotlib.use("Agg")
    pyplot = importlib.import_module("matplotlib.pyplot")
    numbers, costs, contexts = zip(*rounds, strict=True)
    figure, (above, below) = pyplot.subplots(2, 1, sharex=True, figsize=(9, 6), layout="constrained")
    above.plot(numbers, [1e6 * cost for cost in costs], ".", markersize=2, label="each round")
    above.plot(numbers, [1e6 * mean for mean in means(costs, 100)], label="mean of 100")
    above.set(ylabel="cost, millionths of a dollar", ylim=(0, None), title="Cost and context of each round")
    above.legend(loc="lower right")
    below.plot(numbers, contexts, ".", markersize=2)
    below.set(xlabel="round", ylabel="tokens of its largest request", ylim=(0, None))
    figure.savefig(file, dpi=110)


def means(values: Sequence[float], width: int) -> list[float]:
    """The mean of each value and up to ``width`` - 1 before it."""
    return [statistics.fmean(values[max(0, at + 1 - width) : at + 1]) for at in range(len(values))]


# --- a model that runs here


def novel(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """See above."""
    server = Server(folder / "home", "")
    server.cli("model", "add", given.model)
    server.start()
    store = open_store(load(server.home).store_url)
    try:
        text = chapter(given.novel.read_text(encoding="utf-8-sig"), given.chapter)
        options = msgspec.json.encode({"to": "German", "chunk_tokens": str(given.chunk_tokens)})
        listed = server.cli("model", "list", "--json")["models"]
        model = next(each["id"] for each in listed if any("engine" in end for end in each["endpoints"]))
        with peaks(server) as most:
            begun = time.monotonic()
            batch = handed_in(
                store,
                {"chapter.txt": text},
                kind="translate",
                key_id=server.key_id,
                model=model,
                options=options,
            )
            row = until(store, batch.id, over, FAR_S)
            seconds = time.monotonic() - begun
        return {
            "model": model, "words": len(text.split()), "status": row.status, "parts": row.total,
            "done": row.done, "failed": row.failed, "flagged": flagged(store, row),
            "seconds": round(seconds, 1),
            "input_tokens": row.input_tokens, "output_tokens": row.output_tokens,
            "cost_usd": row.cost_nano_usd / 1e9, "peak_pss_mib": most,
        }  # fmt: skip
    finally:
        store.close()
        server.close()


def chapter(text: str, number: int) -> str:
    """One chapter of a novel. Raises ``ValueError`` where there is none."""
    places = [found.start() for found in re.finditer(r"(?mi)^chapter [ivxlc\d]+\.?\]?\s*$", text)]
    if not 0 < number <= len(places):
        raise ValueError(f"it has chapters 1 to {len(places)}")
    return text[places[number - 1] : [*places, len(text)][number]]


@contextmanager
def peaks(server: Server) -> Iterator[dict[str, int]]:
    """The most memory (PSS, MiB) by what a process is, looked at five times a second."""
    most: dict[str, int] = defaultdict(int)
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.2):
            now: dict[str, int] = defaultdict(int)
            for pid in procfs.tree(server.process.pid) if server.process else ():
                try:
                    words = psutil.Process(pid).cmdline()
                except psutil.NoSuchProcess:
                    continue
                name = next((w.rpartition(".")[2] for w in words if w.startswith("tokenworks.")), "server")
                now[name] += procfs.memory([pid]).pss_kib >> 10
                now["all"] += procfs.memory([pid]).pss_kib >> 10
            for name, size in now.items():
                most[name] = max(most[name], size)

    watch = threading.Thread(target=look)
    watch.start()
    try:
        yield most
    finally:
        ended.set()
        watch.join()


def parts_of(store: Store, batch_id: str) -> list[PartRow]:
    """All of them, in order."""
    found: list[PartRow] = []
    while page := store.parts(batch_id, after_seq=found[-1].seq if found else -1):
        found += page
    return found


def say(text: str) -> None:
    """How it goes, beside what is printed in the end."""
    print(text, file=sys.stderr, flush=True)


PARTS: dict[str, Callable[[argparse.Namespace, Path], dict[str, Any]]] = {
    "kills": kills,
    "items": items,
    "dialogue": dialogue,
    "novel": novel,
}


def main() -> None:
    """Run the parts that are asked for; a line of JSON each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", choices=PARTS, action="append", help="more than once for several")
    parser.add_argument("--novel", type=Path, default=NOVEL)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--delay", type=float, default=0.4, help="seconds the translator takes")
    parser.add_argument("--chunk-tokens", type=int, default=450)
    parser.add_argument("--count", type=int, default=10_000, help="items")
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--plot", type=Path, help="PNG of the dialogue")
    parser.add_argument("--model", default="smollm2", help="what model add knows, or a GGUF file")
    parser.add_argument("--chapter", type=int, default=1)
    given = parser.parse_args()
    for name in given.part or PARTS:
        with tempfile.TemporaryDirectory(prefix="tokenworks-bench-") as folder:
            print(json.dumps({"part": name, **PARTS[name](given, Path(folder))}), flush=True)


if __name__ == "__main__":
    main()

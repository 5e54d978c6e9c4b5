"""What batches cost the callers who wait, on one embedded engine. See docs/engines.md.

python bench/embedded.py                      # the small model, 4 slots; about 2 minutes on two cores
python bench/embedded.py --path FILE.gguf --slots 8 --asks 5 --json out.json

A few callers keep the engine busy with batch work while one asks now and then and waits. Rows: nothing
beside it; batches in 1, 2, ... slots; and the same work without the header that tells it is a batch's, where
whoever comes last waits for all before. Speed and memory alone: tokenworks engine bench.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from report import plain_table
from tokenworks.config.settings import EngineSettings
from tokenworks.engines.shelf import SMOLLM2_FILE, SMOLLM2_MODULE, as_engine
from tokenworks.engines.single import Single, Streamed, running

ANSWER_TOKENS = 32  # of the caller who waits
BATCH_TOKENS = 48
WAIT_S = 0.5  # between two of its questions


class Row(msgspec.Struct, frozen=True):
    """One way to share the engine."""

    beside: str
    ttft_ms: float  # median of the caller who waits
    worst_ttft_ms: float
    tokens_per_s: float  # of its answers, median
    batch_tokens_per_s: float  # of all batch work together


def shared(single: Single, workers: int, asks: int, *, header: bool) -> tuple[list[Streamed], float]:
    """``asks`` answers beside ``workers`` callers of batch work; and the tokens a second of that work."""
    leave = threading.Event()
    done: list[int] = []

    def work(number: int) -> None:
        turn = 0
        while not leave.is_set():
            turn += 1
            text = f"Batch {number}.{turn}. Describe a bridge over a river."
            single.stream(asked(text, BATCH_TOKENS), batch=header)
            done.append(BATCH_TOKENS)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(WAIT_S * 2)
        began, before, answers = time.perf_counter(), len(done), []
        for turn in range(asks):
            answers.append(single.stream(asked(f"{turn}. Describe a garden in spring.", ANSWER_TOKENS)))
            time.sleep(WAIT_S)
        rate = sum(done[before:]) / (time.perf_counter() - began)
    finally:
        leave.set()
        for thread in threads:
            thread.join()
    return answers, rate


def asked(text: str, tokens: int) -> dict[str, Any]:
    """A chat request with an answer of exactly ``tokens``."""
    messages = [{"role": "user", "content": text}]
    return {"messages": messages, "max_tokens": tokens, "temperature": 0, "ignore_eos": True}


def row(beside: str, answers: list[Streamed], rate: float) -> Row:
    """What is told of one way."""
    first = [answer.ttft_s * 1000 for answer in answers]
    speed = median(answer.tokens_per_s for answer in answers)
    return Row(beside, round(median(first)), round(max(first)), round(speed, 1), round(rate, 1))


def measure(engine: EngineSettings, asks: int, tell: Console) -> list[Row]:
    """All ways, each in an engine of its own."""
    slots = engine.slots
    ways = [("nothing", 1, 0, True)]
    ways += [(f"batches in {held} of {slots} slots", held, slots + 2, True) for held in range(1, slots + 1)]
    ways.append(("the same, not told to be batches", 1, slots + 2, False))
    rows = []
    for beside, held, workers, header in ways:
        with (
            tell.status(beside),
            running("bench", msgspec.structs.replace(engine, batch_slots=held)) as single,
        ):
            rows.append(row(beside, *shared(single, workers, asks, header=header)))
    return rows


def table(rows: list[Row]) -> Table:
    """For people."""
    made = plain_table(
        "beside one who waits", ["work"], ["TTFT ms", "worst", "tokens/s", "tokens/s of batches"]
    )
    for each in rows:
        made.add_row(
            each.beside,
            f"{each.ttft_ms:,.0f}",
            f"{each.worst_ttft_ms:,.0f}",
            f"{each.tokens_per_s}",
            f"{each.batch_tokens_per_s}",
        )
    return made


def small_model() -> Path:
    """The file of the small model's package. Exits where that is not installed."""
    spec = importlib.util.find_spec(SMOLLM2_MODULE)
    if spec is None or spec.origin is None:
        sys.exit(
            "the small model is not installed; run: tokenworks model add smollm2, or give --path FILE.gguf"
        )
    return Path(spec.origin).parent / SMOLLM2_FILE


def main() -> None:
    """Measure, print a table and a JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--path", type=Path, help="a GGUF file [the small model]")
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--asks", type=int, default=3, help="questions of the caller who waits")
    parser.add_argument("--json", type=Path, dest="target", help="also write the JSON line there")
    given = parser.parse_args()
    engine = as_engine(
        given.path or small_model(), slots=given.slots, threads=given.threads, context_length=512
    )
    load = os.getloadavg()[0]
    rows = measure(engine, given.asks, Console(stderr=True))
    print(f"{engine.model}, {given.slots} slots, load {load:.1f} before and {os.getloadavg()[0]:.1f} after")
    Console(width=120).print(table(rows))
    line = json.dumps({"load": load, "rows": msgspec.to_builtins(rows)})
    print(line)
    if given.target:
        given.target.write_text(line + "\n")


if __name__ == "__main__":
    main()

"""Two real engines behind the gateway: how long second turns of conversations take to begin.

``python bench/replicas.py --live``. Conversations of two turns with SmolLM2: each of several groups shares a
long system prompt, as the users of one application do. All conversations take their first turn, then all
their second, one at a time, each on a connection of its own, so any of the gateway's workers may get it.

Three arms, each with engines started anew:

* random: no session is kept, prompts are not looked at;
* sessions: each worker keeps the sessions that it has seen itself (``affinity_s``);
* prefix: ``[routing] prefix`` besides, which is how the gateway comes.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "support"))

from serving import Server, serving

from report import plain_table
from tokenworks.engines.shelf import SMOLLM2_FILE, SMOLLM2_MODULE

MODEL = "bench/smollm2"
ENGINES = ("a", "b")
WORKERS = 2
GROUPS = 5  # applications, each with its own system prompt
CONVERSATIONS = 2  # of each
TURNS = 2
SYSTEM_WORDS = 210  # about 290 tokens
ANSWER_TOKENS = 4

ARMS = {
    "random": "affinity_s = 0\nprefix = false\n",
    "sessions": "prefix = false\n",
    "prefix": "",
}
ENGINE = """
[engines.{name}]
model = "{model}"
path = "{path}"
context_length = 2048
slots = 4
threads = 1
"""
WORDS = """the works keeps orders of parts in a large book and every clerk who answers letters of customers
reads what was promised before he writes a word about prices dates carriage or returns of goods by rail"""


@dataclass
class Turn:
    """One answered request."""

    group: int
    turn: int  # 0: the first
    ttft_s: float
    input_tokens: int
    cached_tokens: int


def system(group: int) -> str:
    """A long text that differs between groups from its first word on."""
    known = WORDS.split()
    step = 2 * group + 3
    words = [known[(place * step + place // len(known)) % len(known)] for place in range(SYSTEM_WORDS)]
    return f"{'ABCDEFGH'[group]} {group * 7919}: " + " ".join(words)


class Conversation:
    """What one user and the model have said."""

    def __init__(self, group: int, number: int) -> None:
        self.group = group
        self.messages = [{"role": "system", "content": system(group)}]
        self._number = number

    async def turn(self, server: Server, turn: int) -> Turn:
        question = (
            f"Customer {self._number} asks for the {turn + 1}. time: what is part {self._number * 31 + turn}?"
        )
        self.messages.append({"role": "user", "content": question})
        asked = {
            "model": MODEL,
            "messages": self.messages,
            "max_tokens": ANSWER_TOKENS,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        begun, first, said = time.perf_counter(), 0.0, ""
        usage: dict[str, Any] = {}
        async with (
            httpx.AsyncClient(timeout=120) as client,
            client.stream(
                "POST", f"{server.url}/v1/chat/completions", json=asked, headers=server.headers
            ) as answer,
        ):
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                chunk: dict[str, Any] = json.loads(line[6:])
                usage = chunk.get("usage") or usage
                for choice in chunk["choices"]:
                    if choice["delta"].get("content"):
                        first = first or time.perf_counter() - begun
                        said += choice["delta"]["content"]
        self.messages.append({"role": "assistant", "content": said})
        cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
        return Turn(self.group, turn, first, usage["prompt_tokens"], cached)


async def talk(server: Server) -> list[Turn]:
    """All conversations, turn by turn."""
    conversations = [Conversation(number % GROUPS, number) for number in range(GROUPS * CONVERSATIONS)]
    return [await each.turn(server, turn) for turn in range(TURNS) for each in conversations]


def arm(routing: str, model: Path, folder: Path) -> list[Turn]:
    """One arm with a gateway and engines of its own."""
    engines = "".join(ENGINE.format(name=name, model=MODEL, path=model) for name in ENGINES)
    with serving(folder, f"[routing]\n{routing}{engines}", WORKERS) as server:
        try:
            asyncio.run(warm(server))
            return asyncio.run(talk(server))
        except httpx.HTTPError as error:
            raise SystemExit(f"{error}; the end of the server's log:\n{server.log()[-2000:]}") from None


async def warm(server: Server) -> None:
    """Have both engines started before anything is timed: so many prompts surely reach both."""
    async with httpx.AsyncClient(timeout=60, headers=server.headers) as client:
        for number in range(12):
            said = [{"role": "user", "content": f"Hello {number}."}]
            ask = {"model": MODEL, "messages": said, "max_tokens": 1}
            (await client.post(f"{server.url}/v1/chat/completions", json=ask)).raise_for_status()


def model_file() -> Path:
    spec = importlib.util.find_spec(SMOLLM2_MODULE)
    if spec is None or spec.origin is None:
        raise SystemExit("SmolLM2 is not installed; run: tokenworks model add smollm2")
    return Path(spec.origin).parent / SMOLLM2_FILE


def measured() -> object:
    """Run all arms, print the table; the figures."""
    model = model_file()
    found: dict[str, list[Turn]] = {}
    for name, routing in ARMS.items():
        with tempfile.TemporaryDirectory() as folder:
            found[name] = arm(routing, model, Path(folder))
    Console(width=120).print(turns_table(found))
    return {name: [asdict(each) for each in turns] for name, turns in found.items()}


def turns_table(found: Mapping[str, list[Turn]]) -> Table:
    """A line for each arm; waits to the first token in seconds, shares of prompts read from caches."""
    heads = ["first turns s p50", "cached %", "second turns s p50", "p90", "cached %", "computed tokens"]
    table = plain_table(f"{GROUPS * CONVERSATIONS} conversations of {TURNS} turns, 2 engines", ["arm"], heads)
    for name, turns in found.items():
        first = [each for each in turns if not each.turn]
        second = [each for each in turns if each.turn]
        waits = sorted(each.ttft_s for each in second)
        table.add_row(
            name,
            f"{statistics.median(each.ttft_s for each in first):.2f}",
            f"{100 * _cached(first):.0f}",
            f"{statistics.median(waits):.2f}",
            f"{waits[int(0.9 * len(waits))]:.2f}",
            f"{100 * _cached(second):.0f}",
            str(sum(each.input_tokens - each.cached_tokens for each in turns)),
        )
    return table


def _cached(turns: list[Turn]) -> float:
    return sum(each.cached_tokens for each in turns) / sum(each.input_tokens for each in turns)

"""Routing over replicas: how much of a real trace is found in caches, and how evenly the work is shared.

python bench/replicas.py                      # the trace on 8 simulated replicas, about a minute
python bench/replicas.py --json out.json      # the figures of the table, for programs
python bench/replicas.py --requests 2000      # the beginning of the trace only
python bench/replicas.py --live               # instead: two engines behind the gateway, see second_turns.py

The trace is Mooncake's (kvcache-ai/Mooncake, FAST'25, ``conversation_trace.jsonl``): an hour of 12,031
requests, each told as the ids of its blocks of 512 tokens. Every id is written out as 2 KiB of text, so the
routing reads what it would read of a real request. Each replica has a cache of whole blocks, of which the one
not used for longest is dropped, the end of a prompt before its beginning. It reads 10,000 tokens/s of the
prompts it has to compute, one after the other, and writes a token in 30 ms whatever else it does; these two
decide only how many requests are under way. "pooled" is one cache of the size of all: the hits within reach.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import random
import statistics
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
from rich.console import Console

import second_turns
from report import plain_table
from tokenworks.config.settings import RoutingSettings
from tokenworks.routing import prefix
from tokenworks.routing.health import Health
from tokenworks.routing.leading import Lead, leading
from tokenworks.routing.need import Need
from tokenworks.routing.replicas import Replicas
from tokenworks.routing.stats import Stats
from tokenworks.schema import Endpoint, Price
from tokenworks.wire.peek import peek

DATA = Path(os.environ.get("TOKENWORKS_TEST_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
TRACE = "traces/conversation_trace.jsonl"
BLOCK_TOKENS = 512
REPLICAS = 8
CAPACITIES = (5_100_000, 1_000_000, 300_000)  # tokens of one replica's cache
PREFILL_TOKENS_S = 10_000.0
TOKEN_S = 0.03
NAMINGS = 10  # sets of names of the replicas: hashing is luck, so it is tried more than once
SHARE_WANTED = 0.95  # of the hits of the pooled cache
IMBALANCE_WANTED = 1.1

Pick = Callable[["Asked", float], int]


class Line(msgspec.Struct, frozen=True):
    """A line of the trace; ``timestamp`` in ms."""

    timestamp: int
    input_length: int
    output_length: int
    hash_ids: list[int]


@dataclass(frozen=True)
class Asked:
    """A request, and how its prompt begins."""

    at_s: float
    input_tokens: int
    output_tokens: int
    blocks: list[int]
    lead: Lead


@dataclass
class Outcome:
    """A whole trace under one policy. Imbalances are the largest over the mean of all replicas."""

    policy: str
    capacity_tokens: int
    hit_share: float  # input tokens found in the cache of the replica that was asked
    of_reachable: float  # the same over the pooled cache's
    requests_imbalance: float
    computed_imbalance: float  # of input tokens that were in no cache
    most_under_way: int
    naming: int = 0


class Cache:
    """Blocks of one replica; the one that was not used for longest goes first."""

    def __init__(self, tokens: int) -> None:
        self._most = tokens // BLOCK_TOKENS
        self._blocks: OrderedDict[int, None] = OrderedDict()

    def read(self, blocks: Sequence[int]) -> int:
        """How many blocks from the first on are there; afterwards all are."""
        held = self._blocks
        found = next((place for place, block in enumerate(blocks) if block not in held), len(blocks))
        for block in reversed(blocks):
            held[block] = None
            held.move_to_end(block)
        while len(held) > self._most:
            held.popitem(last=False)
        return found


def read_trace(file: Path, most: int | None) -> list[Asked]:
    decode = msgspec.json.Decoder(Line).decode
    asked = []
    with file.open("rb") as lines:
        for _, line in zip(range(most or 10**9), lines, strict=False):
            each = decode(line)
            lead = leading(peek(body(each.hash_ids)))
            asked.append(
                Asked(each.timestamp / 1000, each.input_length, each.output_length, each.hash_ids, lead)
            )
    return asked


def body(blocks: Sequence[int]) -> bytes:
    """A chat request whose prompt consists of ``blocks``: 2 KiB of text for each."""
    text = b"".join([b"%07x " % block * 256 for block in blocks])
    return b'{"model":"m","messages":[{"role":"user","content":"%b"}]}' % text


# --- policies ---------------------------------------------------------------------------------


class Ours:
    """``routing/prefix.py`` as a gateway's worker calls it. The trace names no sessions."""

    def __init__(self, naming: int) -> None:
        price = Price("local", 0.0, 0.0)
        names = [f"{naming}-{number}" for number in range(REPLICAS)]
        self.endpoints = [Endpoint("m", "local", name, price, 1 << 20, engine=name) for name in names]
        self.replicas = Replicas()
        self.loads = [self.replicas.of(each) for each in self.endpoints]
        self._health = Health(RoutingSettings())
        self._place = {id(each): number for number, each in enumerate(self.endpoints)}
        self._draw = random.Random(naming).random
        self.spent_s = 0.0

    def pick(self, asked: Asked, now: float) -> int:
        begun = time.perf_counter()
        need = Need(asked.input_tokens, now, self._draw, lead=asked.lead)
        stats = Stats(need, self.endpoints, self._health)
        ranked, _ = prefix.rank(need, self.endpoints, stats, self.replicas)
        self.spent_s += time.perf_counter() - begun
        return self._place[id(ranked[0])]


def drawn(seed: int) -> Pick:
    draw = random.Random(seed)
    return lambda asked, now: draw.randrange(REPLICAS)


def in_turns() -> Pick:
    turn = -1

    def pick(asked: Asked, now: float) -> int:
        nonlocal turn
        turn = (turn + 1) % REPLICAS
        return turn

    return pick


# --- the replicas -----------------------------------------------------------------------------


def run(trace: Sequence[Asked], policy: str, capacity: int, pick: Pick, ours: Ours | None = None) -> Outcome:
    """The whole trace; ``of_reachable`` is left to be filled in."""
    caches = [Cache(capacity) for _ in range(REPLICAS)]
    free_at = [0.0] * REPLICAS
    under_way = [0] * REPLICAS
    requests, computed = [0] * REPLICAS, [0] * REPLICAS
    ends: list[tuple[float, int, int]] = []
    hits = total = most = 0
    for asked in trace:
        now = asked.at_s
        while ends and ends[0][0] <= now:
            ended_at, number, tokens = heapq.heappop(ends)
            under_way[number] -= 1
            if ours is not None:
                ours.loads[number].left(tokens, ended_at)
        number = pick(asked, now)
        found = min(caches[number].read(asked.blocks) * BLOCK_TOKENS, asked.input_tokens)
        missing = asked.input_tokens - found
        hits, total = hits + found, total + asked.input_tokens
        requests[number] += 1
        computed[number] += missing
        under_way[number] += 1
        most = max(most, under_way[number])
        if ours is not None:
            ours.loads[number].under_way += 1
        free_at[number] = max(now, free_at[number]) + missing / PREFILL_TOKENS_S
        end = free_at[number] + asked.output_tokens * TOKEN_S
        heapq.heappush(ends, (end, number, missing + asked.output_tokens))
    return Outcome(policy, capacity, hits / total, 0.0, imbalance(requests), imbalance(computed), most)


def imbalance(loads: Sequence[int]) -> float:
    return max(loads) / (sum(loads) / len(loads))


def pooled(trace: Sequence[Asked], capacity: int) -> float:
    """Share of input tokens that one cache as large as all together has."""
    cache = Cache(capacity * REPLICAS)
    found = sum(min(cache.read(each.blocks) * BLOCK_TOKENS, each.input_tokens) for each in trace)
    return found / sum(each.input_tokens for each in trace)


def outcomes(trace: Sequence[Asked]) -> Iterator[Outcome]:
    for capacity in CAPACITIES:
        ceiling = pooled(trace, capacity)
        made = [run(trace, "random", capacity, drawn(1)), run(trace, "round robin", capacity, in_turns())]
        for naming in range(NAMINGS):
            ours = Ours(naming)
            one = run(trace, "prefix", capacity, ours.pick, ours)
            one.naming = naming
            made.append(one)
        for each in made:
            each.of_reachable = each.hit_share / ceiling
            yield each
        yield Outcome("pooled", capacity, ceiling, 1.0, 1.0, 1.0, 0)


# --- what is shown ----------------------------------------------------------------------------


def rows(found: Sequence[Outcome]) -> list[list[str]]:
    """A line for each policy and capacity; of several namings the median, and the worst in brackets."""
    lines = []
    for capacity in CAPACITIES:
        for policy in ("random", "round robin", "prefix", "pooled"):
            several = [each for each in found if (each.policy, each.capacity_tokens) == (policy, capacity)]
            shares = [each.hit_share for each in several]
            reached = [each.of_reachable for each in several]
            line = [
                f"{capacity / 1e6:.1f} M",
                policy,
                _told(shares, min, 100, 1),
                _told(reached, min, 100, 1),
            ]
            if policy != "pooled":
                line.append(_told([each.requests_imbalance for each in several], max, 1, 2))
                line.append(_told([each.computed_imbalance for each in several], max, 1, 2))
                line.append(str(max(each.most_under_way for each in several)))
            lines.append([*line, "", "", ""][:7])
    return lines


def _told(values: Sequence[float], worst: Callable[[Sequence[float]], float], scale: int, digits: int) -> str:
    middle = f"{statistics.median(values) * scale:.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({worst(values) * scale:.{digits}f})"


def missed(found: Sequence[Outcome]) -> list[str]:
    """Where the policy, with names of middling luck, falls short of what is wanted of it."""
    faults = []
    for capacity in CAPACITIES:
        ours = [each for each in found if (each.policy, each.capacity_tokens) == ("prefix", capacity)]
        reached = statistics.median(each.of_reachable for each in ours)
        requests = statistics.median(each.requests_imbalance for each in ours)
        computed = statistics.median(each.computed_imbalance for each in ours)
        if reached < SHARE_WANTED or max(requests, computed) > IMBALANCE_WANTED:
            faults.append(
                f"{capacity} tokens: {reached:.1%} of what is reachable, imbalance {requests:.2f} in "
                f"requests, {computed:.2f} in tokens"
            )
    return faults


def simulated(options: argparse.Namespace) -> tuple[object, int]:
    file = DATA / TRACE
    if not file.exists():
        print(
            f"no {TRACE} in {DATA}; set TOKENWORKS_TEST_DATA to the folder that has traces/", file=sys.stderr
        )
        return {}, 2
    trace = read_trace(file, options.requests)
    found = list(outcomes(trace))
    console = Console(width=120)
    heads = ["hits %", "of reachable %", "requests x", "computed x", "most under way"]
    table = plain_table(f"{len(trace)} requests, {REPLICAS} replicas", ["cache each", "policy"], heads)
    for row in rows(found):
        table.add_row(*row, end_section=row[1] == "pooled")
    console.print(table)
    console.print("hits: share of input tokens; x: the largest replica over the mean, over the whole trace;")
    console.print(f"prefix: median of {NAMINGS} sets of names, the worst in brackets")
    faults = missed(found)
    for fault in faults:
        console.print(f"missed: {fault}")
    return [asdict(each) for each in found], 1 if faults else 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--requests", type=int, help="only so many of the trace, from its beginning")
    parser.add_argument("--live", action="store_true", help="two real engines behind the gateway instead")
    options = parser.parse_args(argv)
    figures, status = (second_turns.measured(), 0) if options.live else simulated(options)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())

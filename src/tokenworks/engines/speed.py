"""How fast an engine is here, and what memory it takes: small runs, the best of a few of each.

The best is told because whatever else a machine does only ever makes a run slower. Prompts and answers
are short, so that the whole takes minutes on two cores.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import msgspec

from tokenworks.config.settings import EngineSettings
from tokenworks.engines.single import Single, running

PARALLEL = (1, 4, 8)
TYPES: tuple[Literal["f16", "q8_0", "q4_0"], ...] = ("f16", "q8_0", "q4_0")
MEMORY_CONTEXT = 8192  # tokens of the one slot whose memory is told
ANSWER_TOKENS = 48
DRAFT_ANSWER_TOKENS = 96
WARM_PREFIX_LINES = 24  # of some 15 tokens
ROUNDS = 3
ORDINARY = "Explain in a few paragraphs how bread is baked at home."
REPETITIVE = "Repeat this list exactly, twice:\n" + "\n".join(
    f"server-{number:02d}.example.org port {8000 + number} status ok" for number in range(10)
)

Progress = Callable[[str, int, int], None]  # what is measured, how many runs are done, of how many


class MemoryRow(msgspec.Struct, frozen=True):
    """One engine with one slot of ``MEMORY_CONTEXT`` tokens, after its first answer, in MiB."""

    kv_cache_type: str
    cache_mib: float  # as the library tells it
    resident_mib: float  # RSS: with the model file's pages, which other processes may share
    own_mib: float  # USS: what would be free without this process


class ParallelRow(msgspec.Struct, frozen=True):
    """As many requests at once as slots, all begun together."""

    requests: int
    tokens_per_s: float  # of all together, with the reading of their prompts
    each_tokens_per_s: float  # median of one, after its first token


class SpeculationRow(msgspec.Struct, frozen=True):
    """One prompt with and without drafts of n-grams; greedy, so both give the same answer."""

    prompt: str
    off_tokens_per_s: float
    ngram_tokens_per_s: float
    drafted: int
    accepted: int
    same_answer: bool


class PromptRow(msgspec.Struct, frozen=True):
    """One prompt whose beginning is new, and once more with another end."""

    tokens: int
    cold_ms: float
    warm_ms: float
    warm_cached_tokens: int


class Measured(msgspec.Struct, frozen=True):
    """Everything, of one model on this machine."""

    memory: tuple[MemoryRow, ...]
    parallel: tuple[ParallelRow, ...]
    speculation: tuple[SpeculationRow, ...]
    prompt: PromptRow
    took_s: float


def measure(name: str, engine: EngineSettings, progress: Progress, *, rounds: int = ROUNDS) -> Measured:
    """Run it all. Raises ConfigError where the engine can't run."""
    began = time.monotonic()
    steps = len(TYPES) + len(PARALLEL) + 3
    plain = msgspec.structs.replace(
        engine, slots=1, batch_slots=0, context_length=min(engine.context_length, 1024),
        kv_cache_type="f16", flash_attention="auto", speculation="off", draft_tokens=0,
    )  # fmt: skip
    memory: list[MemoryRow] = []
    for kind in TYPES:
        progress(f"memory, {kind}", len(memory), steps)
        memory.append(_memory(name, msgspec.structs.replace(engine, **_one_slot(kind))))
    parallel: list[ParallelRow] = []
    for requests in PARALLEL:
        progress(f"{requests} at once", len(TYPES) + len(parallel), steps)
        parallel.append(_parallel(name, msgspec.structs.replace(plain, slots=requests), requests, rounds))
    with running(name, plain) as single:
        progress("prompt cache", steps - 3, steps)
        prompt = _prompt(single, rounds)
        with running(name, msgspec.structs.replace(plain, speculation="ngram")) as drafting:
            progress("n-grams", steps - 2, steps)
            repetitive = _drafted("repetitive", REPETITIVE, single, drafting, rounds)
            progress("n-grams", steps - 1, steps)
            ordinary = _drafted("ordinary", ORDINARY, single, drafting, rounds)
    progress("done", steps, steps)
    speculation = (repetitive, ordinary)
    return Measured(tuple(memory), tuple(parallel), speculation, prompt, round(time.monotonic() - began, 1))


def process_memory(pid: int) -> tuple[float, float]:
    """RSS and USS of a process in MiB; zeros where ``/proc`` does not tell (systems other than Linux)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith(" kB")}
    return kib["Rss"] / 1024, (kib["Private_Clean"] + kib["Private_Dirty"]) / 1024


def _one_slot(kind: str) -> dict[str, Any]:
    return {
        "slots": 1, "batch_slots": 0, "context_length": MEMORY_CONTEXT, "kv_cache_type": kind,
        "flash_attention": "auto", "speculation": "off", "draft_tokens": 0,
    }  # fmt: skip


def _ask(text: str, tokens: int) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {"messages": messages, "max_tokens": tokens, "temperature": 0, "ignore_eos": True}


def _memory(name: str, engine: EngineSettings) -> MemoryRow:
    with running(name, engine) as single:
        single.chat(_ask(ORDINARY, 8))
        resident, own = process_memory(single.pid)
        return MemoryRow(engine.kv_cache_type, single.cache_mib(), round(resident, 1), round(own, 1))


def _parallel(name: str, engine: EngineSettings, requests: int, rounds: int) -> ParallelRow:
    best = ParallelRow(requests, 0.0, 0.0)
    with running(name, engine) as single, ThreadPoolExecutor(requests) as threads:
        for turn in range(rounds):
            asked = [_ask(f"{turn}.{number}. {ORDINARY}", ANSWER_TOKENS) for number in range(requests)]
            began = time.perf_counter()
            streams = list(threads.map(single.stream, asked))
            took = time.perf_counter() - began
            together = sum(stream.tokens for stream in streams) / took
            if together > best.tokens_per_s:
                speeds = sorted(stream.tokens_per_s for stream in streams)
                best = ParallelRow(requests, round(together, 1), round(speeds[len(speeds) // 2], 1))
    return best


def _drafted(name: str, text: str, plain: Single, drafting: Single, rounds: int) -> SpeculationRow:
    """The fastest answers of both, which take turns: what slows the machine down then slows both."""
    answers: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    for _ in range(rounds):
        for single, found in zip((plain, drafting), answers, strict=True):
            found.append(single.chat(_ask(text, DRAFT_ANSWER_TOKENS)))
    off, on = (
        max(found, key=lambda each: float(each["timings"]["predicted_per_second"])) for found in answers
    )
    return _speculation(name, off, on)


def _speculation(prompt: str, off: dict[str, Any], on: dict[str, Any]) -> SpeculationRow:
    timings = on["timings"]
    return SpeculationRow(
        prompt,
        round(off["timings"]["predicted_per_second"], 1),
        round(timings["predicted_per_second"], 1),
        timings.get("draft_n", 0),
        timings.get("draft_n_accepted", 0),
        off["choices"][0]["message"] == on["choices"][0]["message"],
    )


def _prompt(single: Single, rounds: int) -> PromptRow:
    cold: list[tuple[float, int]] = []  # milliseconds, tokens that were in the cache
    warm: list[tuple[float, int]] = []
    for turn in range(rounds):
        beginning = f"Report {turn}.\n" + "\n".join(
            f"{number}. shelf {number * 7 % 31} holds {number * 13 % 90 + turn} boxes of sort {turn}."
            for number in range(WARM_PREFIX_LINES)
        )
        for question, times in (("How many shelves?", cold), ("How many sorts of boxes?", warm)):
            timings = single.chat(_ask(f"{beginning}\n{question}", 1))["timings"]
            times.append((timings["prompt_ms"], timings["cache_n"]))
            tokens = timings["prompt_n"] + timings["cache_n"]
    (cold_ms, _), (warm_ms, cached) = min(cold), min(warm)
    return PromptRow(tokens, round(cold_ms, 1), round(warm_ms, 1), cached)

"""What a quantised KV cache changes: f16's answers and log-probabilities against those of other types.

Greedy answers diverge for good after one other token, so they tell little of how far apart two settings
are. So f16's answer is also read by each type token by token (teacher forcing): a grammar that allows
exactly these tokens makes the engine take them, while the log-probabilities that it tells are those of
the model before any grammar. Each type has an engine of its own, one after another, as callers would
meet it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tokenworks.config.settings import EngineSettings
from tokenworks.engines.divergence import Divergence, Position, Reading, compare
from tokenworks.engines.gguf import GgufHead
from tokenworks.engines.prompt_set import Prompt
from tokenworks.engines.single import Single, running
from tokenworks.errors import Unavailable

REFERENCE = "f16"
ANSWER_TOKENS = 24
TOP = 20  # tokens over which divergence is summed
ASKED_TOP = 60  # more are asked for, so that what the other type thinks of them is nearly always known
# From which on a type's answers are called close or different; our own choice, see docs/engines.md.
CLOSE_KL, CLOSE_AGREEMENT = 0.01, 0.97
DIFFERENT_KL, DIFFERENT_AGREEMENT = 0.1, 0.9

Progress = Callable[[str, int, int], None]  # type, prompts done, of how many


class Row(msgspec.Struct, frozen=True):
    """One type of cache."""

    kv_cache_type: str
    cache_mib: float  # of all slots; as the library tells it
    computed_mib: float  # of all slots; from the model's header
    saved: float  # share of f16's
    divergence: Divergence
    by_kind: dict[str, float]  # mean KL in nats of each kind of prompt
    verdict: str


class Report(msgspec.Struct, frozen=True):
    """All types; the first row is f16 read a second time, which is what of the rest is noise."""

    model: str
    slots: int
    context_length: int
    answer_tokens: int
    top: int
    rows: tuple[Row, ...]


def check(
    name: str,
    engine: EngineSettings,
    head: GgufHead,
    prompts: Sequence[Prompt],
    types: Sequence[str],
    progress: Progress,
    *,
    answer_tokens: int = ANSWER_TOKENS,
) -> Report:
    """Compare ``types`` with f16. Raises ConfigError or Unavailable where an engine can't run or answer."""
    kinds = [prompt.kind for prompt in prompts]
    references: list[Reading] = []
    rows: list[Row] = []
    for kind in (REFERENCE, *types):
        settings = msgspec.structs.replace(
            engine, slots=1, batch_slots=0, kv_cache_type=kind, flash_attention="auto",
            speculation="off", draft_tokens=0, cache_reuse_tokens=0, prompt_cache=True, prompt_cache_mib=0,
        )  # fmt: skip
        own, forced = [], []
        with running(name, settings) as single:
            for done, prompt in enumerate(prompts):
                progress(kind, done, len(prompts))
                own.append(_greedy(single, prompt, answer_tokens))
                reference = own[-1] if kind == REFERENCE else references[done]
                forced.append(_forced(single, prompt, reference.tokens))
            progress(kind, len(prompts), len(prompts))
            logged = single.cache_mib()
        if kind == REFERENCE:
            references = own
            if not any(reading.positions for reading in own):
                raise Unavailable(f"{engine.model} answered no prompt with a token; give it others")
        rows.append(_row(engine, head, kind, logged, rows, (references, forced, own), kinds))
    return Report(engine.model, engine.slots, engine.context_length, answer_tokens, TOP, tuple(rows))


def _row(
    engine: EngineSettings,
    head: GgufHead,
    kind: str,
    logged_mib: float,
    rows: list[Row],
    readings: tuple[list[Reading], list[Reading], list[Reading]],
    kinds: Sequence[str],
) -> Row:
    computed = head.cache_bytes(engine.context_length, kind) / (1 << 20)
    cache_mib = (logged_mib or computed) * engine.slots
    saved = 1 - cache_mib / rows[0].cache_mib if rows and rows[0].cache_mib else 0.0
    divergence = compare(*readings, TOP)
    return Row(
        kind, round(cache_mib, 1), round(computed * engine.slots, 1), saved, divergence,
        _by_kind(readings, kinds), verdict(kind, saved, divergence),
    )  # fmt: skip


def _by_kind(
    readings: tuple[list[Reading], list[Reading], list[Reading]], kinds: Sequence[str]
) -> dict[str, float]:
    found = {}
    for kind in sorted(set(kinds) - {""}):
        references, forced, own = (
            [reading for reading, of in zip(some, kinds, strict=True) if of == kind] for some in readings
        )
        if any(reading.positions for reading in references):
            found[kind] = compare(references, forced, own, TOP).mean_kl
    return found


def verdict(kind: str, saved: float, found: Divergence) -> str:
    """One sentence on what this type costs and saves."""
    if kind == REFERENCE:
        if found.max_logprob_difference < 1e-6:
            return "f16 read a second time gives the same numbers: what follows is no noise."
        return f"f16 read a second time is {found.mean_kl:.2g} nats from itself: less is noise."
    if found.mean_kl <= CLOSE_KL and found.top_agreement >= CLOSE_AGREEMENT:
        words = "close to f16"
    elif found.mean_kl >= DIFFERENT_KL or found.top_agreement < DIFFERENT_AGREEMENT:
        words = "clearly different from f16: try it on your own prompts before you rely on it"
    else:
        words = "noticeably different from f16"
    same = f"{round(found.identical * found.prompts)} of {found.prompts} answers are the same"
    likeliest = f"the likeliest next token is f16's at {found.top_agreement:.1%} of all places"
    return f"{kind} saves {saved:.0%} of the cache and is {words}; {same}, {likeliest}."


# --- asking -----------------------------------------------------------------------------------


def _body(prompt: Prompt, tokens: int) -> dict[str, Any]:
    return {
        "messages": prompt.chat(),
        "max_tokens": tokens,
        "temperature": 0,
        "samplers": ["temperature"],
        "logprobs": True,
        "top_logprobs": ASKED_TOP,
    }


def _greedy(single: Single, prompt: Prompt, tokens: int) -> Reading:
    return _reading(single.chat(_body(prompt, tokens)))


def _forced(single: Single, prompt: Prompt, tokens: tuple[int, ...]) -> Reading:
    """What the model thinks of ``tokens`` as its answer."""
    if not tokens:
        return Reading(())
    body = _body(prompt, len(tokens))
    body["grammar"] = "root ::= " + " ".join(f"<[{token}]>" for token in tokens)
    read = _reading(single.chat(body))
    if read.tokens != tokens:
        raise Unavailable(f"engine {single.name} did not keep to a given answer; this model can't be checked")
    return read


def _reading(answer: dict[str, Any]) -> Reading:
    """The library tells nothing of a token that is only part of a character: there the reading ends."""
    choice = answer["choices"][0]
    positions: list[Position] = []
    for entry in (choice["logprobs"] or {}).get("content") or ():
        try:
            bytes(entry["bytes"]).decode()
        except UnicodeDecodeError:
            return Reading(tuple(positions), ended=False)
        top = {each["id"]: each["logprob"] for each in entry["top_logprobs"]}
        positions.append(Position(entry["id"], entry["logprob"], top))
    return Reading(tuple(positions), ended=choice["finish_reason"] == "stop")

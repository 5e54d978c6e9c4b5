"""Measures the predictor of smart routing on recorded outcomes. See docs/smart-routing.md.

python bench/routing.py                 # 5 folds by question: MMLU, GSM8K, mixed pool; each source left out
python bench/routing.py --seeds 3 --json out.json
python bench/routing.py --by text       # folds by normalised text: a question may come with other options
python bench/routing.py --noise         # does the same prompt, typed otherwise, get the same decision?
python bench/routing.py --speed         # what a decision costs
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from statistics import mean, pstdev
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from noise import KINDS, noisy
from report import plain_table
from tokenworks.routing.difficulty import Difficulty
from tokenworks.routing.study import score
from tokenworks.routing.study.data import Data, load
from tokenworks.routing.study.folds import questions
from tokenworks.routing.study.matrix import Features, features
from tokenworks.routing.study.train import train

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("TOKENWORKS_TEST_DATA") or ROOT.parent / "shared" / "data") / "routing"
LABELS = 1_500  # of the MMLU pair, as the published figure has
POOL = 1_000  # prompts of a source in the mixed pool
FOLDS = 5
QUALITY_STEPS = (0.3, 0.5, 0.7)  # shares of calls to the strong model at which a decision is looked at
# The pairs of the reference's tables, where those differ from the default ones.
REFERENCE = {
    "zeroeval_gsm": ("claude-3-5-sonnet-20241022", "deepseek-v2.5-0908"),
    "zeroeval_math-l5": ("o1-mini-2024-09-12", "deepseek-v2.5-0908"),
    "zeroeval_crux": ("claude-3-5-sonnet-20241022", "deepseek-v2.5-0908"),
    "korbench": ("claude-3-5-sonnet-20240620", "DeepSeek-V2.5"),
}
GOALS = {
    "routellm_mmlu, 1,500 labels": ("apgr", 0.66, 1),
    "routellm_gsm8k": ("apgr", 0.64, 1),
    "mixed pool": ("apgr", 0.69, 1),
    "mixed pool CPT80": ("cpt80", 58, -1),
    "worst unseen source": ("apgr", 0.49, 1),
}
MODELS = [  # of a decision that is timed: seen and unseen ones
    *("anthropic/claude-opus-4.5", "anthropic/claude-haiku-4.5", "openai/gpt-4o", "openai/gpt-4o-mini"),
    *("deepseek/deepseek-v3.2", "moonshotai/kimi-k2.5", "qwen/qwen-2.5-7b-instruct", "qwen/qwen3-8b"),
    *("meta-llama/llama-3.1-8b-instruct", "meta-llama/llama-3.1-70b-instruct", "google/gemini-2.5-flash"),
    *("google/gemini-2.5-pro", "mistralai/mistral-nemo", "microsoft/phi-4", "z-ai/glm-4.6", "x-ai/grok-4"),
    *("huggingfacetb/smollm2-135m-instruct", "minimax/minimax-m2", "openai/gpt-5-mini", "openai/gpt-5"),
]


def cross_validated(
    data: Data, found: Features, seeds: int, tell: Any, *, by_text: bool = False
) -> list[dict[str, Any]]:
    """One row a seed: the pairs that are asked for and both pools, from the same five fits."""
    rows = []
    for seed in range(seeds):
        mmlu, gsm = (_one(data, name) for name in ("routellm_mmlu", "routellm_gsm8k"))
        usual = score.chosen(data, most=POOL, seed=seed)
        theirs = [
            each
            for name, part in data.sources.items()
            if (each := score.duel(part, REFERENCE.get(name), POOL, seed)) is not None
        ]
        score.crossed(
            data,
            found,
            [mmlu, gsm, *usual, *theirs],
            count=FOLDS,
            seed=seed,
            progress=tell,
            budget={"routellm_mmlu": LABELS},
            by_text=by_text,
        )
        rows.append(
            {
                "routellm_mmlu, 1,500 labels": score.figures("mmlu", mmlu),
                "routellm_gsm8k": score.figures("gsm8k", gsm),
                "mixed pool": score.figures("pool", _pooled(usual)),
                "mixed pool, the reference's pairs": score.figures("pool", _pooled(theirs)),
                "sources": [score.figures(each.source, each) for each in theirs],
                "error": calibration_error([*usual, *theirs]),
            }
        )
    return rows


def left_out(data: Data, found: Features, tell: Any, seed: int = 0) -> dict[str, Any]:
    """Each source judged by weights that never saw it, nor any of its questions elsewhere."""
    keys = np.array(questions(data), dtype=object)
    duels = score.chosen(data, most=POOL, seed=seed)
    for done, each in enumerate(duels):
        tell(f"without {each.source}", done, len(duels))
        own = set(keys[data.sources[each.source].prompts])
        used = np.array([key not in own for key in keys])
        learned = train(data, found, used=used, seed=seed, calibrate=False)
        score.shipped(learned, found, [each], lambda *_: None)
    return score.report(duels)


def calibration_error(duels: list[score.Duel], bins: int = 10) -> float:
    """Expected calibration error of P(right) of both models, every source weighing the same."""
    errors = []
    for each in duels:
        assert each.told is not None
        said, true = np.concatenate(each.told), np.concatenate(each.scores)
        place = np.minimum((said * bins).astype(int), bins - 1)
        gaps = [
            abs(said[place == b].mean() - true[place == b].mean()) * (place == b).mean() for b in set(place)
        ]
        errors.append(sum(gaps))
    return float(mean(errors))


def unchanged(data: Data, count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Share of prompts whose decision stays, by kind of noise.

    The shipped weights decide by a threshold on the expected gain that sends ``QUALITY_STEPS`` of the clean
    prompts to the strong model.
    """
    difficulty, chance = Difficulty.load(), Random(seed)
    duels = score.chosen(data, most=count, seed=seed)
    asked = [(each, prompt) for each in duels for prompt in each.prompts]
    clean = _gains(difficulty, [(each, data.prompts[prompt]) for each, prompt in asked])
    rows = []
    for kind in KINDS:
        changed = _gains(difficulty, [(each, noisy(data.prompts[p], kind, chance)) for each, p in asked])
        row: dict[str, Any] = {"noise": kind, "n": len(asked)}
        for share in QUALITY_STEPS:
            threshold = np.quantile(clean, 1 - share)
            row[f"{share:.0%} strong"] = float(((clean > threshold) == (changed > threshold)).mean())
        rows.append(row)
    return rows


def _gains(difficulty: Difficulty, asked: list[tuple[score.Duel, str]]) -> Any:
    found = []
    for each, text in asked:
        found.append(difficulty.gain(difficulty.look(text), each.strong, each.cheap))
    return np.array(found)


def speed(data: Data, rounds: int = 3_000) -> dict[str, Any]:
    """What ``look`` and ``guess`` of 20 models take of one core for 2 KB, and what they add to memory."""
    difficulty = Difficulty.load()
    texts = [text for text in data.prompts if 1_900 <= len(text) <= 2_100][:200]
    for text in texts:
        difficulty.guess(difficulty.look(text), MODELS)
    wall, cpu = [], []
    for turn in range(rounds):
        text = texts[turn % len(texts)]
        began, used = time.perf_counter_ns(), time.process_time_ns()
        difficulty.guess(difficulty.look(text), MODELS)
        cpu.append((time.process_time_ns() - used) / 1e6)
        wall.append((time.perf_counter_ns() - began) / 1e6)
    script = (
        "import os\n"
        "def rss():\n"
        "    return int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGE_SIZE') / 1e6\n"
        "import tokenworks.errors, msgspec, tomllib\n"
        "before = rss()\n"
        "from tokenworks.routing.difficulty import Difficulty\n"
        f"d = Difficulty.load()\nd.guess(d.look('x ' * 1000), {MODELS!r})\n"
        "print(rss() - before)\n"
    )
    added = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {
        "prompts": len(texts),
        "p50_ms": float(np.quantile(wall, 0.5)),
        "p99_ms": float(np.quantile(wall, 0.99)),
        "cpu_p50_ms": float(np.quantile(cpu, 0.5)),
        "added_mb": float(added.stdout),
    }


def _one(data: Data, source: str) -> score.Duel:
    found = score.duel(data.sources[source])
    assert found is not None
    return found


def _pooled(duels: list[score.Duel]) -> score.Duel:
    found = score.pooled(duels)
    assert found is not None
    return found


def _spread(rows: list[dict[str, Any]], name: str, figure: str) -> str:
    values = [row[name][figure] for row in rows]
    return (
        f"{mean(values):.3f} ± {pstdev(values):.3f}"
        if figure == "apgr"
        else f"{mean(values):.1f} ± {pstdev(values):.1f}"
    )


def show(console: Console, rows: list[dict[str, Any]], unseen: dict[str, Any], by: str) -> None:
    """The figures that must be shown, beside what they must reach."""
    table = plain_table(f"5 folds by {by}", ("",), ("n", "APGR", "CPT50", "CPT80", "wanted"))
    wanted = {"routellm_mmlu, 1,500 labels": "0.66", "routellm_gsm8k": "0.64", "mixed pool": "0.69, CPT80 58"}
    for name in [name for name in rows[0] if name not in ("sources", "error")]:
        figures = (_spread(rows, name, each) for each in ("apgr", "cpt50", "cpt80"))
        table.add_row(name, str(rows[0][name]["n"]), *figures, wanted.get(name, ""))
    console.print(table)
    table = _duels("by source, the reference's pairs, first seed")
    for each in rows[0]["sources"]:
        table.add_row(each["source"], each["strong"], each["cheap"], str(each["n"]), *_two(each))
    console.print(table)
    table = _duels("left out of training")
    for each in [*unseen["sources"], unseen["pooled"]]:
        table.add_row(each["source"], each["strong"], each["cheap"], str(each["n"]), *_two(each))
    console.print(table)
    worst = min(each["apgr"] for each in unseen["sources"] if each["apgr"] is not None)
    console.print(f"worst unseen source: APGR {worst:.3f} (wanted 0.49)")
    console.print(f"calibration error from the prompt alone: {mean(row['error'] for row in rows):.3f}")


def _duels(title: str) -> Table:
    return plain_table(title, ("", "strong", "cheap"), ("n", "APGR", "CPT80"))


def _two(each: dict[str, Any]) -> tuple[str, str]:
    return tuple("-" if each[name] is None else f"{each[name]:.3g}" for name in ("apgr", "cpt80"))  # type: ignore[return-value]


def main() -> None:
    """Measure what the options ask for and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--by", choices=("question", "text"), default="question")
    parser.add_argument("--noise", action="store_true")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    console = Console(width=150 if not sys.stdout.isatty() else None)
    data = load(options.data)
    found: dict[str, Any] = {}
    if options.speed:
        found["speed"] = speed(data)
        title = "a decision: look and guess of 20 models, 2 KB"
        table = plain_table(title, ("",), ("p50 ms", "p99 ms", "added MB"))
        mine = found["speed"]
        table.add_row(
            "tokenworks", f"{mine['p50_ms']:.3f}", f"{mine['p99_ms']:.3f}", f"{mine['added_mb']:.0f}"
        )
        table.add_row("RouteLLM (mf, sw), as published", "an embedding API call each", "", "")
        console.print(table)
    if options.noise:
        found["noise"] = unchanged(data, 150)
        table = plain_table("decision unchanged", ("noise",), tuple(found["noise"][0])[1:])
        for row in found["noise"]:
            table.add_row(
                *(f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values())
            )
        console.print(table)
    if not (options.speed or options.noise):
        began = time.monotonic()

        def tell(what: str, done: int, total: int) -> None:
            if total <= 20 and sys.stderr.isatty():
                print(f"{time.monotonic() - began:5.0f} s  {what}", file=sys.stderr)

        numbers = features(data.texts, tell)
        rows = cross_validated(data, numbers, options.seeds, tell, by_text=options.by == "text")
        unseen = left_out(data, numbers, tell)
        show(console, rows, unseen, options.by)
        found |= {"crossed": rows, "left_out": unseen}
    if options.json:
        options.json.write_text(json.dumps(found))


if __name__ == "__main__":
    main()

"""What agreement cascades save, and at which quality: python bench/cascades.py DATA [--seeds 3] [--table F].

Every call is charged; order, calibration and threshold come from training folds only (5, by question).
``--table`` also fits the calibration that is shipped and prints its error on folds it was not fitted on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from tokenworks.routing.cascade import Evidence, Option, judge, route
from tokenworks.routing.study.cascades import evaluate
from tokenworks.routing.study.data import load
from tokenworks.routing.study.table import build

SONNET = "claude-3-5-sonnet-20241022"
# source, cheap models, strong model, share of the dollars wanted saved at no more than 0.5 points lost
RUNS: tuple[tuple[str, tuple[str, ...], str, float], ...] = (
    ("zeroeval_gsm", ("deepseek-v2.5-0908", "gemini-1.5-flash-exp-0827"), SONNET, 0.84),
    (
        "mmlu_pro",
        ("gemini-1.5-flash-002", "DeepSeek-Coder-V2", "Meta-Llama-3_1-70B-Instruct"),
        "gemini-1.5-pro-002",
        0.58,
    ),
    (
        "zeroeval_crux",
        ("deepseek-v2.5-0908", "Qwen2.5-72B-Instruct", "gemini-1.5-flash-exp-0827"),
        SONNET,
        0.45,
    ),
    ("zeroeval_math-l5", ("Qwen2.5-7B-Instruct", "Qwen2.5-32B-Instruct"), "o1-mini-2024-09-12", 0.25),
)


def one(job: tuple[Path, str, int]) -> dict[str, float]:
    """The figures of one source and seed."""
    folder, source, seed = job
    cheap, strong = next(run[1:3] for run in RUNS if run[0] == source)
    return evaluate(load(folder), source, cheap, strong, seed=seed)


def measure(folder: Path, seeds: int) -> list[dict[str, Any]]:
    """A row for each source: means over seeds, and the spread of what changes with them."""
    rows = []
    jobs = [(folder, source, seed) for source in sorted({run[0] for run in RUNS}) for seed in range(seeds)]
    with ProcessPoolExecutor() as pool:  # each holds the data by itself
        each_of = dict(zip(jobs, pool.map(one, jobs), strict=True))
    for source, _, _, wanted in RUNS:
        found = [each_of[folder, source, seed] for seed in range(seeds)]
        row: dict[str, Any] = {k: statistics.fmean(each[k] for each in found) for k in found[0]}
        for name in ("saved", "change"):
            row[f"{name}_seeds"] = [round(each[name], 4) for each in found]
        reached = row["saved"] >= wanted and row["change"] >= -0.005
        rows.append({"source": source, "wanted": wanted, "reached": reached, **row})
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """The rows for people; scores and changes in points, money in percent of always-strong."""
    lines = ["source             n    strong  cheap  change ±se   saved (want)  seeds  random  oracle  ece"]
    for row in rows:
        saved, spread = row["saved"], " ".join(f"{100 * s:.0f}" for s in row["saved_seeds"])
        changed = " ".join(f"{100 * c:+.1f}" for c in row["change_seeds"])
        lines.append(
            f"{row['source']:17s}{row['n']:5.0f}  {100 * row['strong']:5.1f}  {100 * row['cheap']:5.1f}  "
            f"{100 * row['change']:+5.2f} ±{100 * row['change_error']:.2f}  "
            f"{100 * saved:5.1f} ({100 * row['wanted']:.0f}) {'yes' if row['reached'] else 'NO ':3s}  "
            f"{spread} / {changed}  {100 * row['random']:5.1f}  "
            f"{100 * row['oracle']:5.1f} at {100 * row['oracle_saved']:.0f}%  {row['ece']:.3f}"
        )
    return "\n".join(lines)


def speed(times: int = 300) -> tuple[float, float]:
    """CPU milliseconds of one ``route`` among five models and of one ``judge``."""
    models = [Option(f"m{i}/x", f"f{i}", 0.6 + 0.06 * i, 0.0002 * 3**i) for i in range(5)]
    start = time.process_time()
    for _ in range(times):
        made = route(models, quality=0.95, max_cost_usd=None, task="math", checkable=True)
    routed = time.process_time() - start
    start = time.process_time()
    for _ in range(times):
        judge(made, Evidence(made.first.right, agrees=1.0), task="math", quality=0.95)
    return 1000 * routed / times, 1000 * (time.process_time() - start) / times


def main() -> None:
    """Print the table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--table", type=Path, help="fit the shipped calibration and write it there")
    given = parser.parse_args()
    if given.table:
        made, report = build(load(given.data), "python bench/cascades.py DATA --table FILE")
        given.table.write_bytes(msgspec.json.encode(made) + b"\n")
        tasks = ", ".join(f"{name} {error:.4f}" for name, error in report.by_task.items())
        print(f"calibration error {report.ece:.4f} on {report.samples} states out of fold ({tasks})")
        return
    rows = measure(given.data, given.seeds)
    print(table(rows))
    routed, judged = speed()
    print(f"CPU: route {routed:.2f} ms, judge {judged:.2f} ms")
    print(json.dumps({"rows": rows, "route_ms": round(routed, 4), "judge_ms": round(judged, 4)}))


if __name__ == "__main__":
    main()

"""Recorded outcomes that are made up: two kinds of work; one word says whether the cheap model fails."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet

STRONG, CHEAP, MIDDLING = "big-model", "small-model-1b", "mid-model"
_TOPICS = {
    "cooking": ["salt", "pepper", "onion", "garlic", "butter", "oven", "recipe", "flour", "sugar", "boil"],
    "sailing": ["mast", "rope", "wind", "harbour", "anchor", "tide", "sail", "deck", "crew", "storm"],
}


def rows(count: int = 120, seed: int = 1) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Prompts and outcomes of ``count`` prompts for each topic. "tricky" makes the cheap one fail."""
    chance = random.Random(seed)
    prompts, outcomes = [], []
    for source, words in _TOPICS.items():
        for number in range(count):
            hard = chance.random() < 0.5
            said = chance.choices(words, k=12)
            said.insert(chance.randrange(12), "tricky" if hard else "plain")
            text = f"Question about {source}: {' '.join(said)} number {number}?"
            prompts.append(
                {
                    "source": source,
                    "prompt_id": str(number),
                    "prompt": text,
                    "category": f"knowledge/{source}",
                }
            )
            right = {STRONG: chance.random() < 0.95, MIDDLING: chance.random() < (0.5 if hard else 0.9)}
            right[CHEAP] = chance.random() < (0.1 if hard else 0.9)
            outcomes += [
                {
                    "source": source,
                    "prompt_id": str(number),
                    "model": model,
                    "score": float(right[model]),
                    "cost_usd": {STRONG: 0.01, MIDDLING: 0.004, CHEAP: 0.001}[model],
                    "cost_basis": "measured",
                }
                for model in right
            ]
    return prompts, outcomes


def write(folder: Path, count: int = 120, *, plain: bool = False, seed: int = 1) -> Path:
    """``folder`` with the files. ``plain``: only the columns that must be there."""
    prompts, outcomes = rows(count, seed)
    if plain:
        prompts = [{key: row[key] for key in ("source", "prompt_id", "prompt")} for row in prompts]
        outcomes = [{key: row[key] for key in ("source", "prompt_id", "model", "score")} for row in outcomes]
    folder.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(prompts), folder / "prompts.parquet")
    parquet.write_table(pa.Table.from_pylist(outcomes), folder / "outcomes.parquet")
    return folder

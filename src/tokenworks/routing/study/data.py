"""Recorded outcomes: which model got which prompt right, and what that cost.

A folder holds ``prompts.parquet`` (source, prompt_id, prompt, maybe category) and ``outcomes.parquet``
(source, prompt_id, model, score 0..1, maybe cost_usd), and may hold ``answers.parquet`` (source, prompt_id,
model, answer).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokenworks.errors import ConfigError
from tokenworks.routing.features import normalise

EXTRA = "pip install 'tokenworks[route]'"


@dataclass
class Source:
    """The outcomes of one source: a row for each prompt, a column for each model. NaN: not known."""

    name: str
    prompts: NDArray[np.intp]  # which prompts of ``Data``
    models: list[str]
    score: NDArray[np.float32]  # [prompt, model], 0..1
    cost_usd: NDArray[np.float32]  # [prompt, model]
    measured: bool = False  # the costs are dollars that were billed or tokens that were counted, no estimate

    def column(self, model: str) -> int:
        """Where ``model`` stands. Raises ``ConfigError`` naming some that are there."""
        try:
            return self.models.index(model)
        except ValueError:
            some = ", ".join(self.models[:6])
            raise ConfigError(f"{self.name} knows no model {model}; it has {some} ...") from None


@dataclass
class Data:
    """Prompts, and what each source says of them."""

    folder: Path
    prompts: list[str]  # as they were asked
    texts: list[str]  # normalised
    source_of: list[str]
    ids: list[str]  # prompt_id
    categories: list[str]  # empty: not told
    sources: dict[str, Source] = field(default_factory=dict)

    def answers(self, source: str) -> NDArray[np.object_]:
        """The final answers of ``source`` [prompt, model]; None where there is none. Reads the file."""
        part = self.sources[source]
        found = np.full(part.score.shape, None, dtype=object)
        path = self.folder / "answers.parquet"
        if not path.exists():
            return found
        row_of = {self.ids[prompt]: row for row, prompt in enumerate(part.prompts)}
        column_of = {model: column for column, model in enumerate(part.models)}
        rows = _columns(path, ("source", "prompt_id", "model", "answer"), only=source)
        for one, model, answer in zip(rows["prompt_id"], rows["model"], rows["answer"], strict=True):
            if one in row_of and model in column_of:
                found[row_of[one], column_of[model]] = answer
        return found


def load(folder: Path) -> Data:
    """Read ``folder``. Raises ``ConfigError`` with one line that says what is missing."""
    asked = _columns(folder / "prompts.parquet", ("source", "prompt_id", "prompt"), ("category",))
    places: dict[tuple[str, str], int] = {}
    kept: list[int] = []
    for place, key in enumerate(zip(asked["source"], asked["prompt_id"], strict=True)):
        if key not in places and asked["prompt"][place]:
            places[key] = len(kept)
            kept.append(place)
    prompts = [str(asked["prompt"][place]) for place in kept]
    data = Data(
        folder,
        prompts,
        [normalise(each) for each in prompts],
        [str(asked["source"][place]) for place in kept],
        [str(asked["prompt_id"][place]) for place in kept],
        [str(asked["category"][place] or "") for place in kept] if "category" in asked else [""] * len(kept),
    )
    needed = ("source", "prompt_id", "model", "score")
    outcomes = _columns(folder / "outcomes.parquet", needed, ("cost_usd", "cost_basis"))
    for name in dict.fromkeys(data.source_of):
        data.sources[name] = _source(name, data, outcomes, places)
    if not any(part.models for part in data.sources.values()):
        raise ConfigError(f"{folder}: no outcome belongs to a prompt; do source and prompt_id agree?")
    return data


def _source(name: str, data: Data, outcomes: dict[str, Any], places: dict[tuple[str, str], int]) -> Source:
    mine = np.flatnonzero(outcomes["source"] == name)
    prompts = np.array([place for place, of in enumerate(data.source_of) if of == name], dtype=np.intp)
    row_of = {place: row for row, place in enumerate(prompts.tolist())}
    models = sorted({str(model) for model in outcomes["model"][mine]})
    column_of = {model: column for column, model in enumerate(models)}
    score = np.full((len(prompts), len(models)), np.nan, dtype=np.float32)
    cost = np.full_like(score, np.nan)
    costs, bases = outcomes.get("cost_usd"), outcomes.get("cost_basis")
    measured = False
    for line in mine.tolist():
        place = places.get((name, outcomes["prompt_id"][line]))
        if place is None or outcomes["score"][line] is None:
            continue
        at = row_of[place], column_of[str(outcomes["model"][line])]
        score[at] = outcomes["score"][line]
        if costs is not None and costs[line] is not None:
            cost[at] = costs[line]
            measured = measured or (bases is not None and str(bases[line]).startswith("measured"))
    return Source(name, prompts, models, score, cost, measured)


def _columns(
    path: Path, needed: Sequence[str], wanted: Sequence[str] = (), only: str = ""
) -> dict[str, NDArray[np.object_]]:
    """Columns of a parquet file, None where a value is missing."""
    try:
        import pyarrow.parquet as parquet  # noqa: PLC0415 - an extra: its absence is told in one line
    except ImportError as error:
        raise ConfigError(f"this needs pyarrow; install it with: {EXTRA}") from error
    if not path.exists():
        raise ConfigError(f"{path}: there is no such file; DATA is a folder with it")
    try:
        there = set(parquet.read_schema(path).names)
        missing = [name for name in needed if name not in there]
        if missing:
            raise ConfigError(f"{path}: has no column {', '.join(missing)}")
        columns = [*needed, *(name for name in wanted if name in there)]
        table = parquet.read_table(path, columns=columns, filters=[("source", "=", only)] if only else None)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: is no parquet file: {str(error).splitlines()[0]}") from error
    return {name: np.array(table[name].to_pylist(), dtype=object) for name in columns}

"""Prompts of one source with what several models answered, what that cost and whether it was right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tokenworks.errors import ConfigError
from tokenworks.routing.features import buckets
from tokenworks.routing.shapes import shapes
from tokenworks.routing.study.data import EXTRA, Data
from tokenworks.routing.study.folds import question

Floats = NDArray[np.float64]
FOLDED = 1024  # columns that the buckets of a text are folded into
SHAPE = 0.1  # weight of a text's shapes beside its words
PENALTY = 10.0  # of the ridge that tells how easy a prompt is; rows have about unit length


@dataclass
class Cases:
    """Arrays [prompt, model] over ``models``, NaN or None where a model was not asked."""

    source: str
    task: str
    models: list[str]
    prompts: list[str]
    questions: list[str]
    score: Floats
    cost_usd: Floats
    tokens: Floats  # of output
    answers: NDArray[np.object_]  # final answers as the source normalised them
    texts: Floats  # [prompt, feature]

    def __len__(self) -> int:
        return len(self.prompts)

    def pick(self, rows: NDArray[np.intp]) -> Cases:
        """Only these prompts."""
        return Cases(
            self.source,
            self.task,
            self.models,
            [self.prompts[i] for i in rows],
            [self.questions[i] for i in rows],
            self.score[rows],
            self.cost_usd[rows],
            self.tokens[rows],
            self.answers[rows],
            self.texts[rows],
        )


def read(data: Data, source: str) -> Cases:
    """The cases of ``source``. Raises ``ConfigError`` where it isn't there or has no answers."""
    if source not in data.sources:
        raise ConfigError(f"no source {source}; there are {', '.join(data.sources)}")
    part = data.sources[source]
    answers = data.answers(source)
    if not any(answer is not None for answer in answers.flat):
        raise ConfigError(f"{source} has no final answers; answers.parquet must hold them")
    places = part.prompts.tolist()
    category = data.categories[places[0]]
    tokens = output_tokens(data.folder, source, [data.ids[i] for i in places], part.models)
    return Cases(
        source,
        category.partition("/")[0],
        part.models,
        [data.prompts[i] for i in places],
        [question(data.texts[i]) for i in places],
        part.score.astype(np.float64),
        part.cost_usd.astype(np.float64),
        tokens,
        answers,
        text_features([data.texts[i] for i in places]),
    )


def output_tokens(folder: Path, source: str, ids: Sequence[str], models: Sequence[str]) -> Floats:
    """[prompt, model] of how long each answer was; NaN where that isn't known."""
    try:
        import pyarrow.parquet as parquet  # noqa: PLC0415 - an extra: its absence is told in one line
    except ImportError as error:
        raise ConfigError(f"this needs pyarrow; install it with: {EXTRA}") from error
    found = np.full((len(ids), len(models)), np.nan)
    path = folder / "outcomes.parquet"
    if "output_tokens" not in parquet.read_schema(path).names:
        return found
    columns = ["prompt_id", "model", "output_tokens"]
    table = parquet.read_table(path, columns=columns, filters=[("source", "=", source)]).to_pydict()
    row_of = {one: row for row, one in enumerate(ids)}
    column_of = {model: column for column, model in enumerate(models)}
    for one, model, tokens in zip(*(table[name] for name in columns), strict=True):
        if tokens is not None and one in row_of and model in column_of:
            found[row_of[one], column_of[model]] = tokens
    return found


def text_features(texts: Sequence[str]) -> Floats:
    """[prompt, FOLDED + shapes] of normalised ``texts``: TF-IDF of folded buckets of length 1, and shapes."""
    rows = np.zeros((len(texts), FOLDED))
    outlines = np.zeros((len(texts), len(shapes("a"))))
    for row, outline, text in zip(rows, outlines, texts, strict=True):
        where, how = buckets(text)
        np.add.at(row, where % FOLDED, how)
        outline[:] = shapes(text)
    rows *= np.log((len(texts) + 1) / ((rows != 0).sum(0) + 1))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True) + 1e-9
    outlines = (outlines - outlines.mean(0)) / (outlines.std(0) + 1e-9)
    return np.hstack([rows, SHAPE * np.clip(outlines, -3, 3)])


def ease(cases: Cases, training: NDArray[np.intp]) -> Floats:
    """[prompt]: by how much each is easier than the mean, from its text alone.

    The target is the mean score of all models, of the prompts ``training`` only. What is said of those is
    what the others teach (leave one out in closed form: Hastie et al., The Elements of Statistical
    Learning, 7.10), so that it is as honest as for the rest.
    """
    x, target = cases.texts[training], np.nanmean(cases.score[training], axis=1)
    mean = target.mean()
    inverse = np.linalg.inv(x.T @ x + PENALTY * np.eye(x.shape[1]))
    weights = inverse @ (x.T @ (target - mean))
    said = cases.texts @ weights
    own = np.einsum("ij,ij->i", x @ inverse, x) + 1 / len(training)
    said[training] = (target - mean) - (target - mean - x @ weights) / np.maximum(1 - own, 0.05)
    return np.asarray(said, dtype=np.float64)

"""A made-up history of any size, straight into the roll-ups: Zipf's models, sizes of real requests.

How often each model is asked follows Zipf's law and drifts from day to day, so that ranks move. Sums of
tokens are drawn as sums of that many requests of the traces would come out: by their mean and spread. What
requests have in common in a real history (an app uses few models, a key fewer) they have here too.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psycopg

from tokenworks.ledger.cubes import CUBES
from tokenworks.ledger.rollups import MEASURES
from tokenworks.ledger.tallies import CONTEXT_NAMES, RATE, TTFT, week_of

DAYS = 365
LAST_DAY = 20_780  # 2026-11-23
AUTHORS = (
    *("openai", "anthropic", "google", "deepseek", "qwen", "moonshotai", "minimax", "z-ai", "x-ai"),
    *("meta-llama", "mistralai", "nvidia", "cohere", "amazon", "microsoft", "tencent", "baidu", "stepfun"),
)
SPEED_DAYS = 60  # of the newest that speeds are made for: at this scale they are the largest table
SESSION_WEEKS = 8
TASKS = ("agent", "chat", "code", "extraction", "knowledge", "math", "roleplay", "translation", "writing")
LANGUAGES = ("en", "zh", "es", "de", "ja", "fr", "ru", "pt", "ko", "ar")
CODES = ("python", "typescript", "javascript", "rust", "go", "java", "c++", "sql")
FINISHES = ("stop", "tool_calls", "length", "error")
Rows = Iterable[tuple[object, ...]]


@dataclass
class Shape:
    """How large a history is."""

    requests: int = 1_000_000_000
    days: int = DAYS
    models: int = 400
    providers: int = 3  # of each model
    apps: int = 500
    keys: int = 2_000
    sessions: int = 200_000  # of each of the newest weeks
    seed: int = 1


@dataclass
class Made:
    """What was made, for checks."""

    requests: int = 0
    rows: dict[str, int] = field(default_factory=dict)


class History:
    """Rows of every roll-up, day by day."""

    def __init__(self, shape: Shape, lengths: list[tuple[int, int]]) -> None:
        """``lengths`` are input and output tokens of real requests."""
        self.shape, self.draw = shape, np.random.default_rng(shape.seed)
        sizes = np.array(lengths, float)
        self.mean, self.spread = sizes.mean(axis=0), sizes.std(axis=0)
        self.models = [f"{AUTHORS[n % len(AUTHORS)]}/model-{n}" for n in range(shape.models)]
        self.popular = _zipf(shape.models)
        self.shares = _zipf(shape.providers)
        growth = np.exp(np.linspace(0, 2.5, shape.days)) * (1 + 0.2 * np.sin(np.arange(shape.days) * 0.9))
        self.by_day = np.maximum(1, growth / growth.sum() * shape.requests).astype(np.int64)
        self.first_day = LAST_DAY - shape.days + 1
        self.drift = np.zeros(shape.models)
        self.weeks: dict[tuple[int, str, str], tuple[int, int, int]] = {}

    def counts(self, day: int) -> np.ndarray:
        """Requests to each model on the day with this number, of those that are made."""
        self.drift = 0.97 * self.drift + self.draw.normal(0, 0.12, len(self.models))
        wanted = self.popular * np.exp(self.drift)
        return (wanted / wanted.sum() * self.by_day[day]).astype(np.int64)

    def measures(self, counts: np.ndarray) -> np.ndarray:
        """Sums of ``MEASURES`` for so many requests each, as columns."""
        n = counts.astype(float)
        noise = self.draw.normal(size=(2, len(n)))
        read = np.maximum(n, n * self.mean[0] + np.sqrt(n) * self.spread[0] * noise[0]).astype(np.int64)
        written = np.maximum(n, n * self.mean[1] + np.sqrt(n) * self.spread[1] * noise[1]).astype(np.int64)
        sums = {
            "requests": counts,
            "errors": counts // 80,
            "uncached_input_tokens": read - read // 3,
            "cache_read_tokens": read // 3,
            "output_tokens": written,
            "reasoning_tokens": written // 4,
            "cost_nano_usd": read * 300 + written * 1_500,
            "latency_us": counts * 4_000_000,
            "ttft_us": counts * 600_000,
            "tool_calls": counts // 5,
            "ttft_requests": counts,
        }
        nothing = np.zeros_like(counts)
        return np.stack([sums.get(name, nothing) for name in MEASURES], axis=1)

    def tables(self) -> Iterator[tuple[str, Rows]]:
        """Table and rows, a day at a time."""
        for number in range(self.shape.days):
            day = self.first_day + number
            counts = self.counts(number)
            yield from self._day(day, counts, newest=number >= self.shape.days - SPEED_DAYS)
        yield "week_share", self._shares()
        last = week_of(LAST_DAY)
        for week in range(last - SESSION_WEEKS + 1, last + 1):
            yield "week_session", self._sessions(week)

    def _day(self, day: int, counts: np.ndarray, *, newest: bool) -> Iterator[tuple[str, Rows]]:
        split = (counts[:, None] * self.shares[None, :]).astype(np.int64)
        parts = self.measures(split.ravel())
        names = list(itertools.product(self.models, [f"p{n}" for n in range(self.shape.providers)]))
        yield "day_model_provider", _named(day, names, parts)
        whole = parts.reshape(len(self.models), self.shape.providers, -1).sum(axis=1)
        yield "day_model", _named(day, [(model,) for model in self.models], whole)
        for (model, provider), sums in zip(names, parts.tolist(), strict=True):
            self._share(day, "model", model, sums)
            self._share(day, "provider", provider, sums)
        for hour in range(24):
            yield "hour_model_provider", _named(day * 24 + hour, names, parts // 24)
        for table, groups, few in (
            ("day_app_model", self.shape.apps, 12),
            ("day_key_model", self.shape.keys, 4),
        ):
            yield table, self._groups(day, table, groups, few, whole)
        short = [(model, whole[at]) for at, model in enumerate(self.models)]
        for table, labels in (("day_context_model", CONTEXT_NAMES), ("day_finish_model", FINISHES)):
            yield table, _split(day, labels, short, cost=table == "day_context_model")
        labels = list(_labels(day, short[:60]))
        for _, kind, label, *_, requests, tokens, cost in labels:
            if kind == "task":
                self._share(day, "task", str(label), (requests, tokens, cost), labelled=True)
        yield "day_label", labels
        yield (
            "day_attempt",
            ((day, *name, int(row[0]), int(row[1])) for name, row in zip(names, parts, strict=True)),
        )
        if newest:
            yield "day_speed", self._speeds(day, names, parts)

    def _share(self, day: int, kind: str, name: str, sums: Sequence[int], labelled: bool = False) -> None:
        key = (week_of(day), kind, name)
        old = self.weeks.get(key, (0, 0, 0))
        read, written, cost = (sums[2] + sums[3], sums[5], sums[7]) if not labelled else (sums[1], 0, sums[2])
        self.weeks[key] = (old[0] + sums[0], old[1] + read + written, old[2] + cost)

    def _shares(self) -> Rows:
        for (week, kind, name), sums in self.weeks.items():
            yield (week, kind, name, False, *sums)

    def _groups(self, day: int, table: str, groups: int, few: int, whole: np.ndarray) -> Rows:
        prefix = "app" if "app" in table else "k_"
        for group, share in enumerate(_zipf(groups)):
            for at in {(group * 7 + n * n) % len(self.models) for n in range(few)}:
                sums = (whole[at] * share).astype(np.int64).tolist()
                if sums[0]:
                    if prefix == "app":
                        self._share(day, "app", f"app{group}", sums)
                    yield (day, f"{prefix}{group}", self.models[at], False, *sums)

    def _speeds(self, day: int, names: list[tuple[str, str]], parts: np.ndarray) -> Rows:
        middles = self.draw.normal((34, 36), 3, size=(len(names), 2))
        for (model, provider), middle, sums in zip(names, middles, parts, strict=True):
            for kind, centre in ((TTFT, middle[0]), (RATE, middle[1])):
                for step, share in enumerate((0.05, 0.1, 0.2, 0.3, 0.2, 0.1, 0.05)):
                    count = int(sums[0] * share)
                    if count:
                        yield day, kind, model, provider, max(int(centre) + step - 3, 0), count

    def _sessions(self, week: int) -> Rows:
        mixes = np.sort(self.draw.integers(0, 2**32, self.shape.sessions))
        turns = self.draw.geometric(0.15, self.shape.sessions)
        costs = (turns * self.draw.lognormal(15, 1, self.shape.sessions)).astype(np.int64)
        which = self.draw.choice(len(self.models), self.shape.sessions, p=self.popular)
        first_us = (week * 7 - 3) * 86_400_000_000
        for at in range(self.shape.sessions):
            yield (
                *(week, int(mixes[at]), f"s{at}", f"k_{at % self.shape.keys}", self.models[which[at]], False),
                *(int(turns[at]), int(turns[at]) * 3_000, int(costs[at]), first_us, first_us + at),
            )


def _zipf(count: int) -> np.ndarray:
    weights = 1 / np.arange(1, count + 1) ** 1.1
    return weights / weights.sum()


def _named(bucket: int, names: list[tuple[str, ...]], sums: np.ndarray) -> Rows:
    for name, row in zip(names, sums.tolist(), strict=True):
        if row[0]:
            yield (bucket, *name, False, *row)


def _split(day: int, labels: tuple[str, ...], models: list[tuple[str, np.ndarray]], *, cost: bool) -> Rows:
    shares = _zipf(len(labels))
    for model, sums in models:
        tokens = int(sums[2] + sums[3] + sums[5])
        for label, share in zip(labels, shares, strict=True):
            count = int(sums[0] * share)
            if count:
                last = int(sums[7] * share) if cost else count // 5
                yield day, label, model, False, count, int(tokens * share), last


def _labels(day: int, models: list[tuple[str, np.ndarray]]) -> Rows:
    for kind, labels in (("task", TASKS), ("language", LANGUAGES), ("code", CODES)):
        for label, model, false, count, tokens, _ in (
            row[1:] for row in _split(day, labels, models, cost=False)
        ):
            yield day, kind, label, model, false, max(int(count) // 500, 1), count, tokens, int(tokens) * 400


TABLES = {cube.table: cube for cube in CUBES.values()}


def fill_sqlite(file: Path, history: History, told: Callable[[int], None]) -> Made:
    """Put the history into the migrated store in ``file``; ``told`` hears of rows as they go."""
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        made = Made(int(history.by_day.sum()))
        for table, rows in history.tables():
            listed = list(rows)
            if listed:
                marks = ",".join("?" * len(listed[0]))
                connection.executemany(f"INSERT INTO {table} VALUES ({marks})", listed)
            made.rows[table] = made.rows.get(table, 0) + len(listed)
            told(len(listed))
        connection.execute("COMMIT")
        return made
    finally:
        connection.close()


def fill_postgres(url: str, history: History, told: Callable[[int], None]) -> Made:
    """The same for the migrated PostgreSQL store at ``url``."""
    made = Made(int(history.by_day.sum()))
    with psycopg.connect(url) as connection:
        for table, rows in history.tables():
            count = 0
            with connection.cursor().copy(f"COPY {table} FROM STDIN".encode()) as copy:
                for row in rows:
                    copy.write_row(row)
                    count += 1
            made.rows[table] = made.rows.get(table, 0) + count
            told(count)
        connection.commit()
        connection.execute(b"ANALYZE")
        connection.commit()
    return made

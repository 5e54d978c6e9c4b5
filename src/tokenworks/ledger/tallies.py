"""Roll-ups beside those of ``rollups``: what rankings ask that no sum by model, app or key can tell.

Each is a table of sums by a few names and a day, kept with the records in the same transaction. The rules
by which a record counts stand here once, for both stores and for a recount.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from tokenworks.ledger import labelled
from tokenworks.ledger.record import MAX_COST_NANO_USD, MAX_TOKENS, Record
from tokenworks.ledger.rollups import DAY_US, GRAINS, MEASURES, TOKENS

Row = tuple[Any, ...]


class Tally(NamedTuple):
    """One table: its primary key, a bucket of time first, and what is added up under it."""

    table: str
    keys: tuple[str, ...]
    sums: tuple[str, ...]
    first: str = ""  # a column that keeps the least value
    last: str = ""  # a column that keeps the greatest value

    @property
    def columns(self) -> tuple[str, ...]:
        """All, in the table's order."""
        return (*self.keys, *self.sums, *(name for name in (self.first, self.last) if name))


CONTEXTS = ((1_000, "1K"), (4_000, "4K"), (16_000, "16K"), (64_000, "64K"), (128_000, "128K"))
LONG_CONTEXTS = ((256_000, "256K"), (1_000_000, "1M"))
MOST = ">1M"
_BOUNDS = [bound for bound, _ in (*CONTEXTS, *LONG_CONTEXTS)]
CONTEXT_NAMES = (*(name for _, name in (*CONTEXTS, *LONG_CONTEXTS)), MOST)

TTFT, RATE = "ttft", "rate"
BINS_PER_DOUBLING = 4  # of a time or speed: each bin is 19 % wide
_TTFT_LEAST_S, _RATE_LEAST = 0.001, 0.1  # where bin 0 begins
MAX_BIN = 100
_EDGES = {  # where each bin but the first begins
    kind: [least * 2 ** (number / BINS_PER_DOUBLING) for number in range(1, MAX_BIN + 1)]
    for kind, least in ((TTFT, _TTFT_LEAST_S), (RATE, _RATE_LEAST))
}
LEAST_OUTPUT = 8  # tokens; a speed made of fewer is noise
CALLERS_FAULT = frozenset(("400", "413", "422"))  # an endpoint that refuses what is wrong has not failed
MAX_ENDPOINT = 256  # characters of its name that an index has room for
MAX_SESSION = 64  # characters of a session's and a key's name that an index has room for
_NO_VERDICT = frozenset(("resting", "hedge", "slow"))  # not asked, or left since another one was faster
_OF_A_PLAN = "plan"
WEEK_DAYS, MONDAY = 7, 3  # 1970-01-01 was a Thursday

TALLIES = (
    Tally("day_user_model", ("day", "user", "model", "private"), ("requests", "tokens", "cost_nano_usd")),
    Tally(
        "day_context_model", ("day", "context", "model", "private"), ("requests", "tokens", "cost_nano_usd")
    ),
    Tally(
        "day_finish_model", ("day", "finish_reason", "model", "private"), ("requests", "tokens", "tool_calls")
    ),
    Tally("day_attempt", ("day", "model", "provider"), ("attempts", "failures")),
    Tally("day_speed", ("day", "kind", "model", "provider", "bin"), ("requests",)),
    Tally(
        "day_label",
        ("day", "kind", "label", "model", "private"),
        ("samples", "requests", "tokens", "cost_nano_usd"),
    ),
    Tally(
        "week_session",
        ("week", "mix", "session", "key_id", "model", "private"),
        ("turns", "tokens", "cost_nano_usd"),
        first="first_us",
        last="last_us",
    ),
    Tally(
        "day_energy",
        ("day", "model", "provider", "basis", "private"),
        ("requests", "input_tokens", "output_tokens", "energy_mj", "carbon_ug"),
    ),
)
# Shares week by week, for charts over a year: few rows, made of those of other tables.
WEEKS = Tally("week_share", ("week", "kind", "name", "private"), ("requests", "tokens", "cost_nano_usd"))
SHARED = {"day_model": ("model", 1), "day_model_provider": ("provider", 2), "day_app_model": ("app", 1)}
TASK = "task"


def week_of(day: int) -> int:
    """The number of a day's week since 1970; weeks begin on Monday."""
    return (day + MONDAY) // WEEK_DAYS


def context_of(input_tokens: int) -> str:
    """The bucket of ``CONTEXT_NAMES`` that holds an input of so many tokens."""
    return CONTEXT_NAMES[bisect_left(_BOUNDS, input_tokens)]


def bin_of(kind: str, value: float) -> int:
    """The bin of a time to first token in seconds, or of a speed in tokens per second."""
    return bisect_right(_EDGES[kind], value)


def value_of(kind: str, number: int) -> tuple[float, float]:
    """From where to where a bin reaches, in seconds or tokens per second."""
    least = _TTFT_LEAST_S if kind == TTFT else _RATE_LEAST
    return least * 2 ** (number / BINS_PER_DOUBLING), least * 2 ** ((number + 1) / BINS_PER_DOUBLING)


@lru_cache(maxsize=20_000)
def attempts_of(reasons: str, provider: str, answered: bool) -> tuple[tuple[str, int], ...]:
    """Provider and failures (0 or 1) of each time that an endpoint was asked and it came to an end."""
    tried = []
    for reason in reasons.split():
        name, _, why = reason.rpartition(":")
        if why not in _NO_VERDICT and name and name != _OF_A_PLAN:
            tried.append((name[:MAX_ENDPOINT], 0 if why in CALLERS_FAULT else 1))
    if answered and provider:
        tried.append((provider, 0))
    return tuple(tried)


@lru_cache(maxsize=20_000)
def delayed(reasons: str) -> bool:
    """Whether another try came first: the time to the first token has that one's in it."""
    met = [reason.rpartition(":") for reason in reasons.split()]
    return any(name and name != _OF_A_PLAN and why not in ("resting", "hedge") for name, _, why in met)


def mix_of(session: str, key_id: str) -> int:
    """A number that looks random and is the same for one session: what sorts sessions into a fair sample."""
    return zlib.crc32(f"{session}\0{key_id}".encode("utf-8", "replace"))


def tallied(records: Iterable[Record]) -> list[list[Row]]:
    """For each of ``TALLIES`` the rows that ``records`` add, each key once, in order."""
    tables: list[dict[Row, list[int]]] = [{} for _ in TALLIES]
    users, contexts, finishes, attempts, speeds, labels, sessions, energies = tables
    answers: list[Row] = []  # of endpoints that were asked once and answered; of most requests
    timed: list[Row] = []
    for r in records:
        day, model, private = r.time_us // DAY_US, r.model, r.private
        read = r.uncached_input_tokens + r.cache_read_tokens + r.cache_write_tokens
        tokens, cost = read + r.output_tokens, r.cost_nano_usd
        if r.user:
            _count(users, (day, r.user, model, private), tokens, cost)
        if read:
            _count(contexts, (day, context_of(read), model, private), tokens, cost)
        if r.finish_reason:
            _count(finishes, (day, r.finish_reason, model, private), tokens, r.tool_calls)
        answered = r.outcome in ("ok", "client_gone")
        if r.reasons:
            for provider, failed in attempts_of(r.reasons, r.provider, answered):
                _add(attempts, (day, model, provider), (1, failed))
        elif answered and r.provider:
            answers.append((day, model, r.provider))
        if r.outcome == "ok" and r.provider and r.ttft_us:
            _time(timed, r, day)
        if r.labels:
            _label(labels, r, day, tokens)
        if r.session:
            _meet(sessions, r, day, tokens)
        if r.energy_basis:
            used = (1, read, r.output_tokens, r.energy_mj, r.carbon_ug)
            _add(energies, (day, model, r.provider, r.energy_basis, private), used)
    for key, count in Counter(answers).items():
        _add(attempts, key, (count, 0))
    speeds.update((key, [count]) for key, count in Counter(timed).items())
    return [_rows(table) for table in tables]


def shared(sums: Sequence[Sequence[Row]], tables: Sequence[Sequence[Row]]) -> list[Row]:
    """The rows of ``WEEKS`` that a batch adds.

    ``sums`` are its rows of ``GRAINS``, ``tables`` those of ``TALLIES``.
    """
    found: dict[Row, list[int]] = {}
    for grain, rows in zip(GRAINS, sums, strict=True):
        if grain.table in SHARED:
            kind, at = SHARED[grain.table]
            width = 1 + len(grain.dimensions)
            for row in rows:
                measures = row[width:]
                tokens = sum([measures[place] for place in _TOKENS])
                key = (week_of(row[0]), kind, row[at], bool(row[width - 1]))
                _add(found, key, (measures[0], tokens, measures[_COST]))
    for day, kind, label, _, private, _, requests, tokens, cost in tables[_LABELS]:
        if kind == TASK:
            _add(found, (week_of(day), TASK, label, private), (requests, tokens, cost))
    return _rows(found)


_TOKENS = [MEASURES.index(name) for name in TOKENS]
_COST = MEASURES.index("cost_nano_usd")
_LABELS = [tally.table for tally in TALLIES].index("day_label")


def _add(table: dict[Row, list[int]], key: Row, amounts: Sequence[int]) -> None:
    cell = table.get(key)
    if cell is None:
        table[key] = list(amounts)
        return
    for place, amount in enumerate(amounts):
        cell[place] += amount


def _count(table: dict[Row, list[int]], key: Row, second: int, third: int) -> None:
    """One request more: the same as ``_add``, for what nearly every request comes to."""
    cell = table.get(key)
    if cell is None:
        table[key] = [1, second, third]
        return
    cell[0] += 1
    cell[1] += second
    cell[2] += third


def _time(keys: list[Row], r: Record, day: int) -> None:
    if not r.reasons or not delayed(r.reasons):
        keys.append((day, TTFT, r.model, r.provider, bin_of(TTFT, r.ttft_us / 1e6)))
    took_us = r.latency_us - r.ttft_us
    if r.stream and r.output_tokens >= LEAST_OUTPUT and took_us > 0:
        rate = r.output_tokens / (took_us / 1e6)
        keys.append((day, RATE, r.model, r.provider, bin_of(RATE, rate)))


def _label(table: dict[Row, list[int]], r: Record, day: int, tokens: int) -> None:
    found = labelled.read(r)
    if found is not None:
        w = found.weight
        # At most what one request may be: no sum overflows a column, whatever an upstream tells of its usage.
        estimate = (1, w, min(w * tokens, MAX_TOKENS), min(w * r.cost_nano_usd, MAX_COST_NANO_USD))
        for kind, label in found.named():
            _add(table, (day, kind, label, r.model, r.private), estimate)


def _meet(table: dict[Row, list[int]], r: Record, day: int, tokens: int) -> None:
    session, key_id = r.session[:MAX_SESSION], r.key_id[:MAX_SESSION]
    key = (week_of(day), mix_of(r.session, r.key_id), session, key_id, r.model, r.private)
    cell = table.get(key)
    if cell is None:
        table[key] = [1, tokens, r.cost_nano_usd, r.time_us, r.time_us]
        return
    cell[0] += 1
    cell[1] += tokens
    cell[2] += r.cost_nano_usd
    cell[3], cell[4] = min(cell[3], r.time_us), max(cell[4], r.time_us)


def _rows(table: dict[Row, list[int]]) -> list[Row]:
    return sorted((*key, *sums) for key, sums in table.items())


def upsert(tally: Tally, source: str, quote: Callable[[str], str] = str, target: str = "") -> str:
    """The statement that adds rows from ``source`` ("VALUES (...)", or a SELECT). Names are quoted by
    ``quote``; ``target`` is how the row that is there is called, with its dot.
    """
    sets = [f"{quote(name)} = {target}{quote(name)} + excluded.{quote(name)}" for name in tally.sums]
    if tally.first:
        sets.append(f"{tally.first} = {{least}}({target}{tally.first}, excluded.{tally.first})")
    if tally.last:
        sets.append(f"{tally.last} = {{greatest}}({target}{tally.last}, excluded.{tally.last})")
    columns = ", ".join(map(quote, tally.columns))
    alias = f" AS {target.rstrip('.')}" if target else ""
    keys = ", ".join(map(quote, tally.keys))
    return (
        f"INSERT INTO {tally.table}{alias} ({columns}) {source}"
        f" ON CONFLICT ({keys}) DO UPDATE SET {', '.join(sets)}"
    )

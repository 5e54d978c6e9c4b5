"""Tokens of own engines against those of others, by week; joules stand in ``energy_power``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from tokenworks.catalog.sellers import LOCAL
from tokenworks.config.settings import EngineSettings
from tokenworks.engines.state import EngineState
from tokenworks.ledger.rollups import DAY_US
from tokenworks.rankings.books import Books
from tokenworks.schema import NANO_USD

WEEKS = 12
_EPOCH = date(1970, 1, 1)
MEASURES = (
    *("requests", "output_tokens", "cost_nano_usd", "latency_us"),
    *("uncached_input_tokens", "cache_read_tokens", "cache_write_tokens"),
)


class Use(msgspec.Struct):
    """Sums over requests."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    busy_s: float = 0.0  # the time that requests took, added up

    @property
    def tokens(self) -> int:
        """Input and output."""
        return self.input_tokens + self.output_tokens

    def add(self, measures: Iterable[int]) -> None:
        """``MEASURES`` of one row."""
        requests, written, cost, latency_us, uncached, read, stored = measures
        self.requests += requests
        self.input_tokens += uncached + read + stored
        self.output_tokens += written
        self.cost_usd += cost / NANO_USD
        self.busy_s += latency_us / 1e6


class Week(msgspec.Struct):
    """One ISO week in UTC: own engines and everybody else's."""

    label: str  # "2026-W08"
    begins: date
    own: Use
    remote: Use

    @property
    def share(self) -> float | None:
        """Of own engines in all tokens; None where there were none."""
        total = self.own.tokens + self.remote.tokens
        return self.own.tokens / total if total else None


class Engine(msgspec.Struct, frozen=True):
    """One model that runs here, what it is doing, and what it has done in these weeks."""

    name: str
    settings: EngineSettings
    state: EngineState | None  # None: not known in this process
    file_bytes: int | None  # of its model; None: the file is not there, or not here to be
    use: Use


def sums(books: Books, now_us: int, weeks: int = WEEKS) -> list[tuple[Any, ...]]:
    """Week, model, provider and ``MEASURES`` of the last ``weeks`` weeks, this one too.

    Read once for all that is told of it: over a large history that takes longest.
    """
    return by_week(books, "provider", ("model", "provider"), now_us, weeks, MEASURES)


def by_week(
    books: Books, cube: str, by: Sequence[str], now_us: int, weeks: int, measures: Sequence[str] = ()
) -> list[tuple[Any, ...]]:
    """Week, ``by`` and ``measures`` (all if empty); weeks that are over are remembered for a minute."""
    since, until = span(now_us, weeks)
    this = since + (weeks - 1) * 7 * DAY_US
    return [
        row
        for begins, ends in ((since, this), (this, until))
        for row in books.cube(cube, ("week", *by), begins, ends, None, measures)
    ]


def weekly(rows: Iterable[tuple[Any, ...]], now_us: int, weeks: int = WEEKS) -> list[Week]:
    """``sums`` by week, the oldest first; those without a request as well."""
    this = week_of(now_us)
    found = {
        number: Week(label(number), monday(number), Use(), Use())
        for number in range(this - weeks + 1, this + 1)
    }
    for number, _, provider, *measures in rows:
        if number in found:
            use = found[number].own if is_own(provider) else found[number].remote
            use.add(measures)
    return list(found.values())


def by_model(rows: Iterable[tuple[Any, ...]]) -> dict[str, Use]:
    """What each model has done on own engines, of ``sums``; the most tokens first."""
    found: dict[str, Use] = {}
    for _, model, provider, *measures in rows:
        if is_own(provider):
            found.setdefault(model, Use()).add(measures)
    return dict(sorted(found.items(), key=lambda each: (-each[1].tokens, each[0])))


def engines(
    settings: Mapping[str, EngineSettings],
    home: Path,
    states: Iterable[EngineState] | None,
    used: Mapping[str, Use],
) -> list[Engine]:
    """Every engine by name. What a model did counts for the engine that runs it.

    ``states`` of None: what they are doing is not known here. One that is not among them has not run yet.
    """
    known = {each.name: each for each in states or ()}
    return [
        Engine(
            name,
            each,
            known.get(name) or (None if states is None else EngineState(name)),
            None if each.runs_elsewhere else _size(home / each.path),
            used.get(each.model, Use()),
        )
        for name, each in sorted(settings.items())
    ]


def is_own(provider: str) -> bool:
    """Whether this provider of a record, with or without its tag, is one of our own engines."""
    return provider.partition("/")[0] == LOCAL


def monday(week: int) -> date:
    """The first day of a week as roll-ups number them: days since 1970 plus 3, by 7."""
    return _EPOCH + timedelta(days=week * 7 - 3)


def label(week: int) -> str:
    """As ISO 8601 writes it: 2026-W08."""
    year, number, _ = monday(week).isocalendar()
    return f"{year}-W{number:02d}"


def week_of(now_us: int) -> int:
    """The number of the week that this moment is in."""
    return (now_us // DAY_US + 3) // 7


def span(now_us: int, weeks: int) -> tuple[int, int]:
    """From the first Monday of so many weeks up to the end of today, unix µs."""
    first = datetime.combine(monday(week_of(now_us) - weeks + 1), datetime.min.time(), UTC)
    return int(first.timestamp()) * 1_000_000, (now_us // DAY_US + 1) * DAY_US


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None

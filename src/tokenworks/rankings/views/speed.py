"""How fast endpoints answer and how often: percentiles of times and speeds out of bins."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from tokenworks.ledger.rollups import DAY_US
from tokenworks.ledger.tallies import RATE, TTFT, value_of
from tokenworks.rankings.periods import Period
from tokenworks.rankings.table import Row, Table, columns, ratio
from tokenworks.rankings.views.ranked import How, ranked
from tokenworks.rankings.views.sums import (
    NO_PRIVATE,
    UTC_NOTE,
    Fetch,
    Groups,
    Vector,
    fetch_of,
    folded,
    joined,
    rows_of,
    spans,
)
from tokenworks.rankings.views.told import table
from tokenworks.rankings.views.traffic import MEASURES, tokens_of
from tokenworks.rankings.views.view import Asked, View

MOST_ENDPOINTS = 100  # whose bins are read
FILTERS = ("model", "author", "country", "weights", "provider")
COLUMNS = columns(
    ("rank", "rank"),
    ("model", "text"),
    ("provider", "text"),
    ("tokens", "tokens"),
    ("share", "share"),
    ("change", "change"),
    ("rank_change", "rank_change"),
    ("ttft_p50_s", "seconds"),
    ("ttft_p90_s", "seconds"),
    ("ttft_p99_s", "seconds"),
    ("rate_p50", "rate"),
    ("rate_p10", "rate"),
    ("timed", "count"),
    ("uptime", "share"),
    ("attempts", "count"),
)
NOTE = (
    "Times to the first token and tokens a second (of streams) come out of bins 19 % wide; timed says of how"
    " many answers. rate_p10 is what the slowest tenth stays under. Uptime is the share of tries that did"
    " not fail."
)
_PERCENTILES = (
    *((f"ttft_p{p}_s", TTFT, p / 100) for p in (50, 90, 99)),
    *((f"rate_p{p}", RATE, p / 100) for p in (50, 10)),
)

_MEASURES = (*MEASURES, "errors", "ttft_requests")
_ERRORS, _TIMED = _MEASURES.index("errors"), _MEASURES.index("ttft_requests")
_JOIN = joined(len(_MEASURES))

Bins = dict[int, int]  # bin → answers
Tries = dict[str, tuple[int, int]]  # endpoint → how often it was asked, and how often that failed


def percentile(kind: str, bins: Bins, q: float) -> float | None:
    """The value below which the share ``q`` lies, taking those of one bin as spread evenly in it."""
    count = sum(bins.values())
    if not count:
        return None
    wanted, passed = q * count, 0
    for number in sorted(bins):
        here = bins[number]
        if passed + here >= wanted:
            low, high = value_of(kind, number)
            return low + (high - low) * (wanted - passed) / here
        passed += here
    return value_of(kind, max(bins))[1]


def _build(asked: Asked) -> Table:
    fetch = fetch_of(asked, ("provider",), ("model", "provider"), _MEASURES)
    period = asked.period.of_zone("UTC", asked.books.now_us())

    def read(part: Period) -> Groups:
        groups = folded(rows_of(asked, fetch, part), len(fetch.by), _endpoint)
        return {name: sums for name, sums in groups.items() if _served(name, sums)}

    def named(name: str) -> Row:
        model, _, provider = name.partition("\0")
        return {"model": model, "provider": provider}

    tries = _attempts(asked, period)
    found = spans(asked, period, DAY_US, read)
    found = found._replace(now={**found.now, **_never_served(fetch, tries, found.now)})
    how = How(COLUMNS, "model", named, lambda sums: {"tokens": tokens_of(sums)}, _JOIN, tokens_of)
    rows, total = ranked(found, how, min(asked.top, MOST_ENDPOINTS))
    shown = [row for row in rows if row["rank"] is not None]
    bins = _bins(asked, period, {row["model"] for row in shown})
    for row in shown:
        endpoint = f"{row['model']}\0{row['provider']}"
        row.update(_figures(bins.get(endpoint, {}), tries.get(endpoint, (0, 0))))
    if rows and rows[-1]["rank"] is None:
        rows[-1]["provider"] = ""
    told = [NOTE, *([UTC_NOTE] if asked.period.zone != "UTC" else [])]
    told += [NO_PRIVATE] if asked.private is False else []
    return table(asked, period, COLUMNS, rows, total, told)


def _endpoint(row: Any) -> str:
    return f"{row[0]}\0{row[1]}"


def _served(name: str, sums: Vector) -> bool:
    """Whether this is an endpoint: answers from the response cache, and what was refused, had none."""
    failed = sums[_ERRORS] > 0 and not name.endswith("\0")
    return failed or tokens_of(sums) > 0 or sums[_TIMED] > 0


def _never_served(fetch: Fetch, tries: Tries, known: Collection[str]) -> Groups:
    """Endpoints that failed whenever they were asked: others served those requests, and have their tokens."""
    nothing = (0,) * len(_MEASURES)
    missing = (name for name, (_, failures) in tries.items() if failures and name not in known)
    return {name: nothing for name in missing if _is_wanted(fetch, name.split("\0"))}


def _is_wanted(fetch: Fetch, endpoint: Sequence[str]) -> bool:
    equal = all(fetch.where.get(name, value) == value for name, value in zip(fetch.by, endpoint, strict=True))
    return equal and all(test(endpoint) for test in fetch.tests)


def _bins(asked: Asked, period: Period, models: Iterable[str]) -> dict[str, dict[str, Bins]]:
    """By endpoint and kind."""
    found: dict[str, dict[str, Bins]] = {}
    by = ("model", "provider", "kind", "bin")
    rows = asked.books.cube("speed", by, period.since_us, period.until_us, {"model": tuple(sorted(models))})
    for model, provider, kind, number, requests in rows:
        found.setdefault(f"{model}\0{provider}", {}).setdefault(kind, {})[number] = requests
    return found


def _attempts(asked: Asked, period: Period) -> Tries:
    rows = asked.books.cube("attempt", ("model", "provider"), period.since_us, period.until_us)
    return {_endpoint(row): (row[2], row[3]) for row in rows}


def _figures(bins: dict[str, Bins], tries: tuple[int, int]) -> Row:
    attempts, failures = tries
    return {
        **{name: percentile(kind, bins.get(kind, {}), q) for name, kind, q in _PERCENTILES},
        "timed": sum(bins.get(TTFT, {}).values()),
        "uptime": ratio(attempts - failures, attempts),
        "attempts": attempts,
    }


VIEWS = (View("speed", "Speed of endpoints", "admin", COLUMNS, _build, FILTERS),)

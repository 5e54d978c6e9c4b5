"""Groups made into rows: rank, share, the change against the period before, and what is beyond the top."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from tokenworks.rankings.table import OTHERS, Column, Row, change, ordered, ratio

T = TypeVar("T")


class Spans(NamedTuple, Generic[T]):
    """Groups of the period, of the part of it that can be compared, and of the same part before."""

    now: Mapping[str, T]
    like: Mapping[str, T]
    before: Mapping[str, T]


class How(NamedTuple, Generic[T]):
    """How groups of one kind become rows."""

    columns: Sequence[Column]
    name: str  # the column that names a group
    named: Callable[[str], Row]  # the texts of its row
    fields: Callable[[T], Row]  # the figures, of one group or of several together
    join: Callable[[Iterable[T]], T]  # several as one
    size: Callable[[T], float]  # what ranks
    grown: Callable[[T], float] | None = None  # whose change is told, where that is not the size
    order: Sequence[str] = ()  # groups stand in this order, all of them, and not by size


def ranked(spans: Spans[T], how: How[T], top: int, apart: Collection[str] = ()) -> tuple[list[Row], Row]:
    """Rows and total. Groups in ``apart`` have no rank: they are among the others whatever their size."""
    sizes = {name: how.size(value) for name, value in spans.now.items() if name not in apart}
    former = {name: how.size(value) for name, value in spans.before.items() if name not in apart}
    names = ordered(sizes)
    was = {name: at for at, name in enumerate(ordered(former), start=1) if former[name] > 0}
    whole = sum(how.size(value) for value in spans.now.values())
    shown = names if how.order else names[:top]
    rows = []
    for rank, name in enumerate(shown, start=1):
        moved = was[name] - rank if name in was else None
        rows.append(_row(spans, how, [name], whole, {"rank": rank, "rank_change": moved, **how.named(name)}))
    if how.order:
        at = {name: number for number, name in enumerate(how.order)}
        rows.sort(key=lambda row: at.get(row[how.name], len(at)))
    listed = set(shown)
    if rest := [name for name in spans.now if name not in listed]:
        gone = [name for name in spans.before if name not in listed and name not in spans.now]
        rows.append(_row(spans, how, rest + gone, whole, {"rank": None, how.name: OTHERS}))
    every = list({**spans.now, **spans.before})
    total = _row(spans, how, every, whole, {})
    texts = {each.name for each in how.columns if each.kind in ("text", "rank", "rank_change")}
    return rows, {name: value for name, value in total.items() if name not in texts}


def _row(spans: Spans[T], how: How[T], names: list[str], whole: float, told: Row) -> Row:
    """The row of these groups together."""
    grown = how.grown or how.size
    now = how.join(spans.now[name] for name in names if name in spans.now)
    like = now if spans.like is spans.now else how.join(spans.like[n] for n in names if n in spans.like)
    before = how.join(spans.before[name] for name in names if name in spans.before)
    values: dict[str, Any] = {
        **how.fields(now),
        **told,
        "share": ratio(how.size(now), whole),
        "change": change(grown(like), grown(before)),
    }
    return {each.name: values.get(each.name) for each in how.columns}

"""The week as one HTML file that needs nothing else: no script, no request, light and dark, fit for paper."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from tokenworks.rankings import colours, figures
from tokenworks.rankings.chart import Chart
from tokenworks.rankings.table import OTHERS, Row, Table
from tokenworks.rankings.week import WeekReport

_MOST_LABELS = 4  # beside each other under bars on a narrow screen
_MOST_WIDE = 22.0  # percent of a drawing that one bar takes


class Bar(NamedTuple):
    """One row of a list of shares; ``wide`` in percent of the largest."""

    name: str
    place: int  # of its colour
    wide: float
    tokens: str
    share: str
    change: str


class Part(NamedTuple):
    """One piece of a stacked bar."""

    y: float
    high: float
    place: int
    told: str


class Stack(NamedTuple):
    """One stacked bar."""

    x: float
    wide: float
    parts: list[Part]


class Drawing(NamedTuple):
    """Stacked bars in a square of 100 × 100 that is stretched; its texts stand beside it, as they are."""

    title: str
    told: str  # for those who don't see it
    stacks: list[Stack]
    labels: list[str]  # one for each bar, or of the first, the middle and the last
    each: bool  # which of the two
    legend: list[tuple[str, int]]
    most: str  # what the full height stands for
    growing: bool  # the last bar is not complete


def html(week: WeekReport) -> str:
    """The whole document. Everything that came from outside is escaped."""
    ranked = week.ranked
    by_country = _places("country", week)
    return (
        _templates()
        .get_template("week.html")
        .render(
            week=week,
            cards=_cards(week),
            rows=[_model(row, week, by_country, ranked[0]["tokens"]) for row in ranked],
            rest=next((row for row in week.models.rows if row["rank"] is None), None),
            lists=[(title, _bars(table, name, week)) for title, table, name in _lists(week)],
            drawings=_drawings(week),
            palette=[*enumerate(colours.PALETTE)],
            rest_colour=colours.REST,
            figures=figures,
            notes=_notes(week),
        )
    )


def _cards(week: WeekReport) -> list[tuple[str, str, str]]:
    """What, the figure, and what is to be known of it."""
    total = week.models.total
    cards = [("Tokens", figures.tokens(total["tokens"]), _grown(total.get("change"), week))]
    if week.ranked:
        first = week.ranked[0]
        cards.append(("Most used", first["model"], f"{figures.tokens(first['tokens'])} tokens"))
    lead = next((row for row in week.countries.rows if row["rank"] == 1), None)
    if lead:
        cards.append(
            (week.title_of(lead["country"]), figures.share(lead["share"]), "of all tokens, by author")
        )
    open_ = next((row for row in week.weights.rows if row["weights"] == "open"), None)
    if open_:
        cards.append(("Open weights", figures.share(open_["share"]), "of all tokens"))
    return cards


def _grown(fraction: float | None, week: WeekReport) -> str:
    if fraction is None:
        return ""
    same = "" if week.models.complete else "the same part of "
    return f"{figures.change(fraction)} against {same}the {week.models.unit} before"


def _model(row: Row, week: WeekReport, by_country: dict[str, int], most: int) -> dict[str, Any]:
    return {
        "rank": row["rank"],
        "move": figures.move(row["rank_change"]),
        "moved": _sign(row["rank_change"]),
        "model": row["model"],
        "author": week.title_of(row["author"]),
        "country": row["country"],
        "country_title": week.title_of(row["country"]),
        "place": by_country.get(row["country"], -1),
        "wide": _percent(row["tokens"], most),
        "tokens": figures.tokens(row["tokens"]),
        "share": figures.share(row["share"]),
        "change": figures.change(row["change"]),
        "changed": _sign(row["change"]),
        "filled": bool(row.get("filled")),
    }


def _lists(week: WeekReport) -> list[tuple[str, Table, str]]:
    found = [
        ("By author", week.authors, "author"),
        ("By country of the author", week.countries, "country"),
        ("By provider", week.providers, "provider"),
        ("By weights", week.weights, "weights"),
    ]
    return [(title, table, name) for title, table, name in found if table is not None and table.rows]


def _bars(table: Table, name: str, week: WeekReport) -> list[Bar]:
    places = _places(name, week)
    most = max((row["tokens"] for row in table.rows), default=0)
    return [
        Bar(
            _group(row[name], name, week),
            places.get(row[name], -1),
            _percent(row["tokens"], most),
            figures.tokens(row["tokens"]),
            figures.share(row["share"]),
            "" if row["rank"] is None else figures.change(row["change"]),
        )
        for row in table.rows
    ]


def _places(name: str, week: WeekReport) -> dict[str, int]:
    """The colours of authors, countries, providers or weights: the same in lists and in drawings."""
    if name == "weights":
        return colours.WEIGHTS
    table, chart = {
        "author": (week.authors, week.by_author),
        "country": (week.countries, week.by_country),
    }.get(name, (week.providers, None))
    names = [row[name] for row in table.rows] if table else []
    names += [each.name for each in chart.series] if chart else []
    return colours.places(dict.fromkeys(names), countries=name == "country")


def _group(value: str, name: str, week: WeekReport) -> str:
    if value == OTHERS:
        return "all others"
    if name == "weights":
        return {"open": "open weights", "closed": "closed weights"}.get(value, "weights unknown")
    return week.title_of(value) if name in ("author", "country") else value or "unknown"


def _drawings(week: WeekReport) -> list[Drawing]:
    unit = week.models.unit
    found = (
        ("author", week.by_author),
        ("country", week.by_country),
    )
    return [
        _drawing(f"Tokens by {name}, {unit} by {unit}", chart, week, _places(name, week))
        for name, chart in found
        if chart is not None
    ]


def _drawing(title: str, chart: Chart, week: WeekReport, places: dict[str, int]) -> Drawing:
    count = len(chart.labels)
    sums = [sum(each.values[at] for each in chart.series) for at in range(count)]
    most = max(sums, default=0) or 1
    named = [(_title(each.name, week), places[each.name]) for each in chart.series]
    step = 100 / max(count, 1)
    wide = min(step * 0.82, _MOST_WIDE)
    stacks = []
    for at, label in enumerate(chart.labels):
        parts, y = [], 100.0
        for each, (name, place) in zip(chart.series, named, strict=True):
            high = each.values[at] / most * 100
            y -= high
            if high > 0:
                told = f"{label}, {name}: {figures.tokens(each.values[at])}"
                parts.append(Part(round(y, 2), round(high, 2), place, told))
        stacks.append(Stack(round(at * step + (step - wide) / 2, 2), round(wide, 2), parts))
    each_bar = count <= _MOST_LABELS
    labels = chart.labels if each_bar else [chart.labels[at] for at in (0, (count - 1) // 2, -1)]
    told = ", ".join(
        f"{label} {figures.tokens(whole)}" for label, whole in zip(chart.labels, sums, strict=True)
    )
    return Drawing(title, told, stacks, labels, each_bar, named, figures.tokens(most), not chart.complete)


def _title(name: str, week: WeekReport) -> str:
    return "all others" if name == OTHERS else week.title_of(name)


def _notes(week: WeekReport) -> list[str]:
    notes = ["Tokens are input and output together, as each provider's own tokenizer counts them."]
    if not week.models.complete:
        notes.append(
            f"This {week.models.unit} was not over when the report was made; changes compare equal parts."
        )
    if week.models.note:
        notes.append(week.models.note)
    return notes


def _percent(part: float, whole: float) -> float:
    return round(part / whole * 100, 2) if whole else 0.0


def _sign(value: float | None) -> str:
    return "same" if not value else "up" if value > 0 else "down"


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("tokenworks.rankings"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

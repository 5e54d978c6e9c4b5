"""The week as a picture to share: 1600 × 900, drawn with matplotlib, which is an extra."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tokenworks.errors import BadRequest, ConfigError
from tokenworks.rankings import colours, figures
from tokenworks.rankings.table import Table
from tokenworks.rankings.week import WeekReport

SUFFIXES = (".png", ".svg")

_SIZE, _DPI = (16.0, 9.0), 100
_INK, _SOFT, _LINE, _PAGE = "#1c2229", "#67717c", "#e3e7eb", "#ffffff"
_UP, _DOWN = "#1a7341", "#b3261e"
_MOST_MODELS, _MOST_GROUPS = 12, 5
_MOST_CHARS = 30  # of a model's id
_STYLE: dict[str, Any] = {
    "text.parse_math": False,  # a dollar sign is one
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "tokenworks",  # the same week gives the same bytes
    "font.family": "sans-serif",
    "font.size": 15,
    "text.color": _INK,
}


class Side(NamedTuple):
    """A list of shares: names, fractions of all tokens, colours."""

    title: str
    parts: list[tuple[str, float, str]]


def check(path: Path) -> None:
    """Raise where no picture can be drawn to ``path``: before the long work.

    ``BadRequest`` for another suffix than ``.png`` and ``.svg``, ``ConfigError`` without matplotlib.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise BadRequest(f"{path.name}: a picture is {' or '.join(SUFFIXES)}; end its name so")
    _matplotlib()


def draw(week: WeekReport, path: Path) -> None:
    """Draw ``week`` to ``path``. Raises as ``check`` does, and ``OSError`` where it can't be written."""
    check(path)
    matplotlib = _matplotlib()
    figure_of = importlib.import_module("matplotlib.figure").Figure
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # a box stands for it
        figure = figure_of(figsize=_SIZE, dpi=_DPI, facecolor=_PAGE)
        _head(figure, week)
        if week.ranked:
            _models(figure.add_axes((0.31, 0.075, 0.315, 0.69)), week)
            _sides(figure, [_countries(week), _authors(week), _weights(week)])
        _foot(figure, week)
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else {}
        figure.savefig(path, dpi=_DPI, metadata=metadata)


def _matplotlib() -> Any:
    try:
        return importlib.import_module("matplotlib")
    except ImportError as error:
        raise ConfigError(
            f"pictures need matplotlib ({error}); run: pip install 'tokenworks[plot]'"
        ) from error


def _head(figure: Any, week: WeekReport) -> None:
    figure.text(0.03, 0.905, week.title, fontsize=40, fontweight="bold", va="baseline")
    figure.text(0.97, 0.915, week.days, fontsize=19, color=_SOFT, ha="right", va="baseline")
    told = _cut(week.sentence, 180)
    figure.text(0.03, 0.84, told, fontsize=min(19.0, 19 * 112 / len(told)), va="baseline")


def _foot(figure: Any, week: WeekReport) -> None:
    told = f"{_cut(week.source, 60)}. Tokens: input and output, as each provider counts them."
    if week.filled:
        told += "  * not told by the source: chosen so that its totals hold."
    figure.text(0.03, 0.03, told, fontsize=13, color=_SOFT, va="baseline")
    figure.text(0.97, 0.03, "Tokenworks", fontsize=13, color=_SOFT, ha="right", va="baseline")


def _models(axes: Any, week: WeekReport) -> None:
    """Ranked bars, coloured by country: rank, move and name left of each, tokens and change right of it."""
    rows = week.ranked[:_MOST_MODELS]
    places = _places(week)
    most = max(row["tokens"] for row in rows) or 1
    for at, row in enumerate(rows):
        colour = colours.colour(places.get(row["country"], -1))
        axes.barh(at, row["tokens"], height=0.68, color=colour, linewidth=0)
        moved = row["rank_change"]
        for x, text, tint, weight in (
            (-0.83, str(row["rank"]), _INK, "bold"),
            (-0.715, figures.move(moved), _tint(moved), "normal"),
            (-0.02, _cut(row["model"], _MOST_CHARS), _INK, "normal"),
        ):
            _beside(axes, most * x, at, text, align="right", tint=tint, weight=weight)
        star = "*" if row.get("filled") else ""
        tokens = f"{figures.tokens(row['tokens'])}{star}"
        label = _beside(axes, row["tokens"] + most * 0.02, at, tokens, weight="bold")
        axes.annotate(
            figures.change(row["change"]),
            (1, 0),
            xycoords=label,
            xytext=(10, 0),
            textcoords="offset points",
            va="bottom",
            color=_tint(row["change"]),
        )
    axes.set_xlim(0, most)
    axes.set_ylim(max(len(rows), 6) - 0.6, -0.4)
    axes.set_axis_off()


def _countries(week: WeekReport) -> Side:
    places = _places(week)
    return Side("By country of the author", _parts(week.countries, "country", week, places.__getitem__))


def _authors(week: WeekReport) -> Side:
    places = _places(week)
    country = {row["author"]: row["country"] for row in week.authors.rows}
    parts = _parts(week.authors, "author", week, lambda name: places.get(country[name], -1))
    return Side("By author", parts)


def _weights(week: WeekReport) -> Side:
    return Side(
        "By weights", _parts(week.weights, "weights", week, lambda name: colours.WEIGHTS.get(name, -1))
    )


def _parts(
    table: Table, name: str, week: WeekReport, place: Callable[[str], int]
) -> list[tuple[str, float, str]]:
    """Name, share and colour of the first rows of ``table``, and of all others together."""
    rows = [row for row in table.rows if row["rank"] is not None]
    first = rows if len(table.rows) <= _MOST_GROUPS else rows[: _MOST_GROUPS - 1]
    parts = [
        (week.title_of(row[name]), row["share"] or 0.0, colours.colour(place(row[name]))) for row in first
    ]
    if len(first) < len(table.rows):
        parts.append(("all others", max(0.0, 1 - sum(share for _, share, _ in parts)), colours.REST))
    return parts


def _sides(figure: Any, sides: list[Side]) -> None:
    """The lists of shares, one below the other; the whole width of a bar is everything."""
    left, right, bottom, top, title = 0.765, 0.97, 0.075, 0.765, 0.95
    slots = sum(len(side.parts) + title for side in sides)
    high = min((top - bottom) / slots, 0.07)
    at = top
    for side in sides:
        figure.text(left, at - high * 0.42, side.title, fontsize=16, fontweight="bold", va="center")
        at -= high * title
        size = high * len(side.parts)
        axes = figure.add_axes((left, at - size, right - left, size))
        for place, (name, share, tint) in enumerate(side.parts):
            axes.barh(place + 0.62, 1, height=0.18, color=_LINE, linewidth=0)
            axes.barh(place + 0.62, share, height=0.18, color=tint, linewidth=0)
            axes.text(0, place + 0.26, _cut(name, 26), va="center", fontsize=14)
            axes.text(1, place + 0.26, figures.share(share), va="center", ha="right", fontsize=14)
        axes.set_xlim(0, 1)
        axes.set_ylim(len(side.parts), 0)
        axes.set_axis_off()
        at -= size


def _places(week: WeekReport) -> dict[str, int]:
    return colours.places((row["country"] for row in week.countries.rows), countries=True)


def _beside(
    axes: Any, x: float, y: float, text: str, *, align: str = "left", tint: str = _INK, weight: str = "normal"
) -> Any:
    return axes.text(x, y, text, ha=align, va="center", color=tint, fontweight=weight, clip_on=False)


def _tint(change: float | None) -> str:
    """Of a change: also its sign tells, for those who don't see colours."""
    return _SOFT if not change else _UP if change > 0 else _DOWN


def _cut(text: str, most: int) -> str:
    """On one line, ``most`` characters at most."""
    text = "".join(char if char.isprintable() else " " for char in text)
    return text if len(text) <= most else f"{text[: most - 1]}…"

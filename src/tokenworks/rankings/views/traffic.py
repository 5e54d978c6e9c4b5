"""Views of tokens: by model, author, country, provider, weights, app, key and team."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tokenworks.ledger.rollups import TOKENS
from tokenworks.rankings.books import Books
from tokenworks.rankings.periods import Period
from tokenworks.rankings.table import MOVES, Named, Row, Table, columns, ratio
from tokenworks.rankings.views import outside
from tokenworks.rankings.views.ranked import How, ranked
from tokenworks.rankings.views.sums import (
    Fetch,
    Vector,
    fetch_of,
    filters_of,
    folded,
    joined,
    notes,
    placed,
    rows_of,
    spans,
)
from tokenworks.rankings.views.told import table
from tokenworks.rankings.views.view import Asked, View
from tokenworks.schema import NANO_USD

# What is read of all that the cubes add up.
MEASURES = (*TOKENS, "requests", "cost_nano_usd")
_AT = {name: at for at, name in enumerate(MEASURES)}
_INPUT = tuple(_AT[n] for n in ("uncached_input_tokens", "cache_read_tokens", "cache_write_tokens"))
_READ, _OUTPUT, _COST = _AT["cache_read_tokens"], _AT["output_tokens"], _AT["cost_nano_usd"]
_REQUESTS = _AT["requests"]

MODEL_CUBES = ("model", "provider", "app", "key")
FIGURES: tuple[Named, ...] = (
    ("tokens", "tokens"),
    *MOVES,
    ("input_tokens", "tokens"),
    ("output_tokens", "tokens"),
    ("cached_share", "share"),
    ("requests", "count"),
    ("cost_usd", "usd"),
)


def tokens_of(sums: Vector) -> int:
    """All input and output."""
    return sums[_INPUT[0]] + sums[_INPUT[1]] + sums[_INPUT[2]] + sums[_OUTPUT]


def input_of(sums: Vector) -> int:
    """All input: uncached, read from a cache, written to one."""
    return sums[_INPUT[0]] + sums[_INPUT[1]] + sums[_INPUT[2]]


def cost_of(sums: Vector) -> int:
    """Nano-dollars."""
    return sums[_COST]


def figures(sums: Vector) -> Row:
    """The columns of ``FIGURES`` that follow from sums alone."""
    read = input_of(sums)
    return {
        "tokens": read + sums[_OUTPUT],
        "input_tokens": read,
        "output_tokens": sums[_OUTPUT],
        "cached_share": ratio(sums[_READ], read),
        "requests": sums[_REQUESTS],
        "cost_usd": sums[_COST] / NANO_USD,
    }


JOIN = joined(len(MEASURES))

_UNNAMED = {"model": ("",)}  # what was refused before anybody was asked has no rank
Name = Callable[[Books, Any], str]  # of what stands in the first dimension
Texts = Callable[[Books, str], Row]


def _view(
    name: str,
    title: str,
    dimension: str,
    cubes: Sequence[str],
    texts: Sequence[str],
    *,
    group: Name = lambda _, value: str(value),
    named: Texts | None = None,
    personal: bool = False,
) -> View:
    """A view of tokens that groups ``dimension`` by ``group``."""
    made = columns(("rank", "rank"), *((text, "text") for text in texts), *FIGURES)
    of_maker = dimension == "model"

    def build(asked: Asked) -> Table:
        def texts_of(each: str) -> Row:
            return {name: each} if named is None else {name: each, **named(asked.books, each)}

        if asked.source:
            return outside.build(asked, name, texts, group, texts_of)
        fetch = fetch_of(asked, cubes, (dimension,), MEASURES)
        period = placed(asked, fetch.grain_us)
        found = spans(asked, period, fetch.grain_us, lambda part: grouped(asked, fetch, part, group))
        how = How(made, name, texts_of, figures, JOIN, tokens_of)
        rows, total = ranked(found, how, asked.top, apart=_UNNAMED.get(name, ()))
        return table(asked, period, made, rows, total, notes(asked, fetch))

    return View(
        name,
        title,
        "admin" if personal else "anyone",
        made,
        build,
        filters_of(cubes),
        charted=not personal,
        outside=of_maker,
        dimension=dimension,
        cubes=tuple(cubes),
        group=group,
    )


def grouped(asked: Asked, fetch: Fetch, period: Period, group: Name) -> dict[str, Vector]:
    """Sums of the period by what ``group`` makes of the first dimension."""
    books = asked.books
    return folded(rows_of(asked, fetch, period), len(fetch.by), lambda row: group(books, row[0]))


def _model(books: Books, model: str) -> Row:
    maker = books.maker(model)
    return {"author": maker.author, "country": maker.country, "weights": maker.weights}


def _author(books: Books, author: str) -> Row:
    return {"title": books.author_title(author), "country": books.author_country(author)}


def _provider_view() -> View:
    """By provider; narrowed to one, by what it offers apart, such as how weights are quantized."""
    whole = _view(
        "provider",
        "Providers",
        "provider",
        ("provider",),
        ("provider",),
        group=lambda _, value: str(value).partition("/")[0],
    )
    detail = _view("provider", "Providers", "provider", ("provider",), ("provider",))

    def build(asked: Asked) -> Table:
        return (detail if "provider" in asked.where else whole).build(asked)

    return View(**{**{f: getattr(whole, f) for f in whole.__struct_fields__}, "build": build})


VIEWS = (
    _view("model", "Models", "model", MODEL_CUBES, ("model", "author", "country", "weights"), named=_model),
    _view(
        "author",
        "Authors",
        "model",
        MODEL_CUBES,
        ("author", "title", "country"),
        group=lambda books, model: books.maker(model).author,
        named=_author,
    ),
    _view(
        "country",
        "Countries of authors",
        "model",
        MODEL_CUBES,
        ("country", "title"),
        group=lambda books, model: books.maker(model).country,
        named=lambda books, country: {"title": books.country_title(country)},
    ),
    _provider_view(),
    _view(
        "weights",
        "Open and closed weights",
        "model",
        MODEL_CUBES,
        ("weights",),
        group=lambda books, model: books.maker(model).weights,
    ),
    _view("app", "Apps", "app", ("app",), ("app",)),
    _view(
        "key",
        "Keys",
        "key_id",
        ("key",),
        ("key", "key_id", "team"),
        named=lambda books, key_id: {
            "key": books.key(key_id).name,
            "key_id": key_id,
            "team": books.key(key_id).team,
        },
        personal=True,
    ),
    _view(
        "team",
        "Teams",
        "key_id",
        ("key",),
        ("team",),
        group=lambda books, key_id: books.key(key_id).team,
        personal=True,
    ),
)

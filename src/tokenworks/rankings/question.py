"""One question as people ask it, by words; the command line, the API and the console all ask so."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.rankings.books import Books
from tokenworks.rankings.chart import Chart, chart
from tokenworks.rankings.compare import against
from tokenworks.rankings.periods import LATEST
from tokenworks.rankings.table import Table
from tokenworks.rankings.views import ranking, view_of


class Question(msgspec.Struct, frozen=True):
    """Which view of which period. ``against`` is a source to hold our own shares against."""

    view: str = "model"
    unit: str = "week"
    at: str = LATEST
    timezone: str = "UTC"
    top: int = 20
    private: bool | None = None  # False: without private traffic
    source: str = ""
    against: str = ""
    where: Mapping[str, str] = {}


def answer(books: Books, asked: Question) -> Table:
    """The table. Raises BadRequest, which names the fix."""
    view_of(asked.view)  # the name of the view is what most get wrong: it is judged first
    if asked.source and asked.against:
        raise BadRequest("leave out source or against: our own traffic is what is held against a source")
    for source in filter(None, (asked.source, asked.against)):
        books.known_source(source)
    period = books.period(asked.at, asked.unit, asked.timezone, asked.source)
    table = ranking(
        books,
        asked.view,
        period,
        top=asked.top,
        private=asked.private,
        source=asked.source,
        where=asked.where,
    )
    return against(books, table, period, asked.against, asked.where) if asked.against else table


def picture(books: Books, asked: Question, weeks: int | None = None) -> Chart:
    """The chart up to the period that is asked for; ``top`` groups. Raises BadRequest."""
    view_of(asked.view)
    if asked.source:
        books.known_source(asked.source)
    until = books.period(asked.at, asked.unit, asked.timezone, asked.source)
    return chart(
        books,
        asked.view,
        until,
        weeks=weeks,
        top=asked.top,
        private=asked.private,
        source=asked.source,
        where=asked.where,
    )

"""The article's week in a store, as whoever imports the example has it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fresh_store import fresh_store

from tokenworks.rankings.books import Books
from tokenworks.rankings.importing import read
from tokenworks.rankings.week import WeekReport, gather

ARTICLE = Path(__file__).parents[2] / "examples" / "article-week.csv"
SOURCE = "article-week"


@cache
def _rows() -> tuple[object, ...]:
    return tuple(read(ARTICLE))


def article_week(folder: Path) -> WeekReport:
    """The report of 2026-W08 out of a store in ``folder``."""
    store = fresh_store(f"sqlite:///{folder / 'article.db'}")
    try:
        store.replace_outside(SOURCE, list(_rows()))  # type: ignore[arg-type]
        books = Books(store)
        return gather(books, books.period("2026-W08", source=SOURCE), source=SOURCE)
    finally:
        store.close()

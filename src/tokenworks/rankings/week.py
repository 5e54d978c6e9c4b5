"""What a report of a week (day, month) tells: its tables, its charts, and the sentence that sums it up."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from tokenworks.rankings import figures
from tokenworks.rankings.books import Books
from tokenworks.rankings.chart import Chart, chart
from tokenworks.rankings.periods import Period, first_day
from tokenworks.rankings.table import OTHERS, Row, Table
from tokenworks.rankings.views import ranking

TOP = 10  # models
_GROUPS = 8  # authors, countries, providers


class WeekReport(msgspec.Struct):
    """Tables of one period. Those that the source can't tell, and charts of fewer than two bars, are None."""

    models: Table
    authors: Table
    countries: Table
    weights: Table
    providers: Table | None = None
    by_author: Chart | None = None
    by_country: Chart | None = None
    titles: dict[str, str] = {}  # of authors by their slugs and of countries by their codes

    @property
    def title(self) -> str:
        """``Week 2026-W08``."""
        return f"{self.models.unit.capitalize()} {self.models.period}"

    @property
    def days(self) -> str:
        """``16 to 22 February 2026``."""
        first = first_day(self.models.period, self.models.unit)
        if self.models.unit == "week":
            after = first + timedelta(days=7)
        elif self.models.unit == "month":
            after = (first + timedelta(days=31)).replace(day=1)
        else:
            after = first + timedelta(days=1)
        return figures.days(first, after)

    @property
    def source(self) -> str:
        """Whose traffic this is, for people."""
        return f"Source: {self.models.source}" if self.models.source else "Own traffic of this gateway"

    @property
    def ranked(self) -> list[Row]:
        """The models that have a rank."""
        return [row for row in self.models.rows if row["rank"] is not None]

    @property
    def filled(self) -> bool:
        """Whether figures of models are among these that the source did not tell."""
        return any(row.get("filled") for row in self.ranked)

    @property
    def sentence(self) -> str:
        """The totals: how much the first ones took, and which country's models most of it."""
        rows = self.ranked
        if not rows:
            return "Nothing was used in this time."
        taken = sum(row["tokens"] for row in rows)
        by_country: dict[str, int] = {}
        for row in rows:
            by_country[row["country"]] = by_country.get(row["country"], 0) + row["tokens"]
        country = max(by_country, key=lambda name: (by_country[name], name))
        models = "model" if len(rows) == 1 else f"{figures.word(len(rows))} models"
        told = f"The {models} used most took {figures.tokens(taken)} tokens"
        told += " together" if len(rows) > 1 else ""
        if country:
            part = by_country[country]
            told += (
                f"; models from {self.country_title(country)} {figures.tokens(part)} of them "
                f"({figures.share(part / taken if taken else 0)})"
            )
        whole = self.models.total["tokens"]
        return f"{told}." if whole == taken else f"{told}. All together: {figures.tokens(whole)}."

    def country_title(self, alpha2: str) -> str:
        """The country as sentences name it."""
        title = self.title_of(alpha2)
        return f"the {title}" if title.startswith("United ") or title == "Netherlands" else title

    def title_of(self, name: str) -> str:
        """What people call the author, country or other group of this name."""
        return self.titles.get(name) or name or "unknown"


def gather(
    books: Books, when: Period, *, top: int = TOP, private: bool | None = None, source: str = ""
) -> WeekReport:
    """The report of ``when``; ``source`` is an outside source, "" our own traffic. Raises BadRequest."""

    def table(view: str, rows: int = _GROUPS) -> Table:
        return ranking(books, view, when, top=rows, private=private, source=source)

    def stacked(view: str, groups: int) -> Chart | None:
        found = chart(books, view, when, top=groups, private=private, source=source)
        return found if len(found.labels) > 1 else None

    report = WeekReport(
        models=table("model", top),
        authors=table("author"),
        countries=table("country"),
        weights=table("weights"),
        providers=None if source else table("provider"),
        by_author=stacked("author", 7),
        by_country=stacked("country", 5),
    )
    report.titles = _titles(books, report)
    return report


def _titles(books: Books, report: WeekReport) -> dict[str, str]:
    """Titles of everybody that the report names."""
    authors = {row["author"] for row in (*report.models.rows, *report.authors.rows)}
    countries = {row["country"] for row in (*report.models.rows, *report.countries.rows)}
    for chart_, names in ((report.by_author, authors), (report.by_country, countries)):
        names.update(each.name for each in (chart_.series if chart_ else ()))
    titles = {name: books.author_title(name) for name in authors if name}
    titles.update((name, books.country_title(name)) for name in countries if name is not None)
    return {name: OTHERS if name == OTHERS else title for name, title in titles.items()}

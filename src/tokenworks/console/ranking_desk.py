"""One visitor's question to the rankings: what may be asked, and the parts of a page that answer it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import msgspec
from fastapi import Request

from tokenworks.console.access import SignInNeeded
from tokenworks.console.language import language_of
from tokenworks.console.ranking_figures import amount, change, share
from tokenworks.console.ranking_names import Names
from tokenworks.console.ranking_query import after, last_day, read, shown_by
from tokenworks.console.ranking_view import Painter
from tokenworks.console.site import Site, site_of
from tokenworks.console.way import here
from tokenworks.errors import NotFound
from tokenworks.plans.keys import Key
from tokenworks.rankings.books import Books
from tokenworks.rankings.periods import Period, label_of
from tokenworks.rankings.question import Question, answer
from tokenworks.rankings.table import Row, Table, without_money
from tokenworks.rankings.views import VIEWS
from tokenworks.rankings.views.view import PERSONAL

STORY = 10  # models of the headline


class Picker(msgspec.Struct, frozen=True):
    """The period that is shown, and addresses of those around it; "" where there is none."""

    label: str
    first: date
    last: date
    complete: bool
    timezone: str
    before: str
    after: str
    latest: str


class Desk:
    """Everything that one request to a page of rankings needs."""

    def __init__(self, request: Request, view: str, who: Key | None) -> None:
        """Raises NotFound for no view, SignInNeeded for what is not everybody's to see."""
        self.site: Site = site_of(request)
        self.admin = who is not None
        if view and view not in VIEWS:
            raise NotFound("no such view of the rankings; /console/rankings leads to those there are")
        given = request.query_params
        self.query = read(given, view, self.site.settings.rankings.timezone, admin=self.admin)
        if not self.admin and (
            (view and not shown_by(VIEWS[view], admin=False)) or any(n in self.query.where for n in PERSONAL)
        ):
            raise SignInNeeded(here(request))
        if not view:
            self.query = msgspec.structs.replace(self.query, where={}, sort="", against="")
        self.books = books_of(request)
        self.names = Names(self.site.strings, language_of(request))
        self.painter = Painter(self.names, self.query, admin=self.admin)

    def question(self, view: str = "", top: int = 0) -> Question:
        """What is asked, as the rankings take it."""
        query = self.query
        return Question(
            view=view or query.view,
            unit=query.unit,
            at=query.at,
            timezone=query.timezone,
            top=top or query.top,
            private=None if query.private else False,
            source=query.source,
            against=query.against,
            where=query.where,
        )

    def table(self, view: str = "", top: int = 0) -> Table:
        """The table, without money for who is no administrator. Raises BadRequest."""
        found = answer(self.books, self.question(view, top))
        return found if self.admin else without_money(found)

    def period(self) -> Period:
        """The period that is asked for. Raises BadRequest."""
        query = self.query
        return self.books.period(query.at, query.unit, query.timezone, query.source)

    def picker(self) -> Picker:
        """The period and its neighbours. Raises BadRequest."""
        period, query = self.period(), self.query
        following = after(period)
        return Picker(
            label=period.label,
            first=period.day,
            last=last_day(period),
            complete=period.complete,
            timezone=period.zone,
            before=query.address(at=label_of(period.day - timedelta(days=1), period.unit)),
            after=query.address(at=following) if following else "",
            latest=query.address(at="latest"),
        )

    def views(self) -> list[str]:
        """Names of those that this visitor may see, of an outside source those that it knows of."""
        outside = bool(self.query.source)
        return [
            name
            for name, view in VIEWS.items()
            if shown_by(view, admin=self.admin) and (view.outside or not outside)
        ]

    @property
    def nothing_yet(self) -> bool:
        """Whether no request has been counted, where our own traffic is asked for."""
        return not self.query.source and self.site.store.bounds() is None

    def controls(self) -> dict[str, Any]:
        """What the forms and links around a table need."""
        query = self.query
        return {
            "query": query,
            "admin": self.admin,
            "names": self.names,
            "views": self.views(),
            "sources": [(each.source, each.source) for each in self.site.store.outside_sources()],
            "filters": [
                (name, self.names.name(name, self._shown(name, value)), query.without(name))
                for name, value in query.where.items()
            ],
        }

    def _shown(self, name: str, value: str) -> str:
        """A filter's value as people know it: keys are filtered by their ids."""
        return self.books.key(value).name if name == "key" else value


def headline(table: Table, names: Names) -> list[str]:
    """The week's story in sentences: what the top ten come to, whose they are, who leads."""
    rows = [row for row in table.rows if row["rank"] is not None][:STORY]
    tokens = sum(row["tokens"] for row in rows)
    if not tokens:
        return []
    countries: dict[str, int] = {}
    for row in rows:
        countries[row["country"]] = countries.get(row["country"], 0) + row["tokens"]
    countries.pop("", None)
    t, ten = names.t, "_ten" if len(rows) == STORY else ""
    told: list[str] = []
    if countries:
        country = max(countries, key=lambda each: (countries[each], each))
        told.append(
            t(
                f"rankings.headline{ten}",
                n=len(rows),
                tokens=amount(tokens),
                share=share(countries[country] / tokens),
                country=_after_from(names, country),
            )
        )
    else:
        told.append(t(f"rankings.headline{ten}_nowhere", n=len(rows), tokens=amount(tokens)))
    return [*told, *_movers(rows, names)]


def _movers(rows: Sequence[Row], names: Names) -> list[str]:
    """Who leads, and which of the others grew most."""
    first, *rest = rows
    grown = "" if first["change"] is None else f" ({change(first['change'])})"
    told = [names.t("rankings.leads", model=first["model"], tokens=amount(first["tokens"]), change=grown)]
    known = [row for row in rest if row["change"] is not None and row["change"] > 0 and not row.get("filled")]
    if known:
        most = max(known, key=lambda row: row["change"])
        told.append(names.t("rankings.grew", model=most["model"], change=change(most["change"])))
    return told


def _after_from(names: Names, country: str) -> str:
    """A country as it stands after "from": some have an article."""
    word = f"rankings.from_{country}"
    return names.t(word) if names.known(word) else names.name("country", country)


def books_of(request: Request) -> Books:
    """The rankings' books of this worker, made when they are first asked for."""
    state = request.app.state
    found: Books | None = getattr(state, "ranking_books", None)
    if found is None:
        site = site_of(request)
        found = state.ranking_books = Books(site.store, now_us=site.now_us, home=site.settings.home)
    return found

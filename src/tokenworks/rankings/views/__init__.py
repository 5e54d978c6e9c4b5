"""Every view by name, and the one way to ask any of them."""

from __future__ import annotations

from collections.abc import Mapping

from tokenworks.errors import BadRequest
from tokenworks.rankings.books import Books
from tokenworks.rankings.periods import Period
from tokenworks.rankings.table import Table
from tokenworks.rankings.views import counts, energy, money, sessions, speed, traffic
from tokenworks.rankings.views.view import Asked, View

_ORDER = (
    *("model", "author", "country", "provider", "weights", "app", "key", "team", "user", "category"),
    *("language", "code", "context", "tools", "finish", "session", "spend", "savings", "speed"),
    "energy",
)
_ALL = {
    view.name: view
    for view in (*traffic.VIEWS, *counts.VIEWS, *sessions.VIEWS, *money.VIEWS, *speed.VIEWS, *energy.VIEWS)
}
VIEWS: Mapping[str, View] = {name: _ALL[name] for name in _ORDER}


def view_of(name: str) -> View:
    """The view of that name. Raises BadRequest, which lists those there are."""
    found = VIEWS.get(name)
    if found is not None:
        return found
    singular = _SINGULAR.get(name, "")
    if singular:
        raise BadRequest(f"views are called in the singular: write {singular} for {name}")
    raise BadRequest(f"no such view; there are {', '.join(VIEWS)}")


def ranking(
    books: Books,
    view: str,
    period: Period,
    *,
    top: int = 20,
    private: bool | None = None,
    source: str = "",
    where: Mapping[str, str] | None = None,
) -> Table:
    """One view of one period: the first ``top`` rows, and one for all others together.

    ``private`` of False leaves private traffic out. ``source`` is an outside source, "" our own traffic.
    ``where`` narrows to one model, author and so on. Raises BadRequest, which names the fix, for what the
    view can't tell.
    """
    asked = Asked(books, view_of(view), period, top, private, source, dict(where or {}))
    asked.view.check(asked)
    return asked.view.build(asked)


_SINGULAR = {
    **{f"{name}s": name for name in VIEWS},
    **{"countries": "country", "categories": "category", "task": "category", "tasks": "category"},
}

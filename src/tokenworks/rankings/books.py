"""What views read: the store, what is known of models, and the names of keys and teams."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tokenworks.catalog.authors import Authors, author_of
from tokenworks.energy import attribution
from tokenworks.energy.attribution import Rates
from tokenworks.errors import BadRequest
from tokenworks.ledger.cubes import Where
from tokenworks.ledger.outside import OutsideSource
from tokenworks.ledger.rollups import DAY_US
from tokenworks.ledger.store import Store
from tokenworks.rankings.periods import LATEST, Period, period

KEPT_S = 60.0  # how long sums of what is over are kept
NAMES_S = 5.0  # how long names of keys and teams are
SETTLED_US = 120_000_000  # what is over for so long gets few records more
MOST_ROWS = 50_000  # of all results that are kept: some 30 MB
MOST_MODELS = 20_000  # whose makers are remembered


class Maker(NamedTuple):
    """Who made a model, as far as that is known."""

    author: str  # slug; "unknown" where nobody knows
    title: str
    country: str  # ISO 3166-1 alpha-2; "" unknown
    weights: str  # "open", "closed" or "unknown"


class KeyName(NamedTuple):
    """What a key is called, and its team; "" for none."""

    name: str
    team: str


class Books:
    """Reads for every view; one for a process. Any thread may use it."""

    def __init__(
        self,
        store: Store,
        *,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        home: Path | None = None,
    ) -> None:
        """``home``: of the server, which tells there what power costs."""
        self.store = store
        self._home = home
        self.now_us = now_us
        self._authors = Authors.load()
        self._makers: dict[str, Maker] = {}
        self._kept: dict[tuple[object, ...], tuple[float, list[tuple[Any, ...]]]] = dict()
        self._rows = 0  # of all that is kept
        self._names: tuple[float, dict[str, KeyName]] = (-NAMES_S, {})
        self._lock = threading.Lock()

    def period(
        self, text: str = LATEST, unit: str = "week", timezone: str = "UTC", source: str = ""
    ) -> Period:
        """The period of this label; "latest" is the newest with anything in it. Raises BadRequest."""
        newest = self._newest_day(source) if text == LATEST else None
        found = period(text, unit, timezone, self.now_us(), newest)
        within = newest is not None and not source and found.since_us > newest * DAY_US
        # It begins within the newest day: what is of that day may have come before it.
        if within and not self.store.cube("hour", [], found.since_us, found.until_us):
            return period(found.before().label, unit, timezone, self.now_us(), None)
        return found

    def cube(
        self,
        name: str,
        by: Sequence[str],
        since_us: int,
        until_us: int,
        where: Where | None = None,
        measures: Sequence[str] = (),
    ) -> list[tuple[Any, ...]]:
        """The same as ``Store.cube``, remembered for a minute where that time is over."""
        if not self.is_over(until_us):
            return self.store.cube(name, by, since_us, until_us, where=where, measures=measures)
        asked = (name, tuple(by), since_us, until_us, tuple(sorted((where or {}).items())), tuple(measures))
        now_s = time.monotonic()
        with self._lock:
            kept = self._kept.get(asked)
        if kept is not None and now_s - kept[0] < KEPT_S:
            return kept[1]
        found = self.store.cube(name, by, since_us, until_us, where=where, measures=measures)
        with self._lock:
            self._forget(asked)
            self._kept[asked] = now_s, found
            self._rows += len(found) + 1
            while self._rows > MOST_ROWS:
                self._forget(next(iter(self._kept)))
        return found

    def is_over(self, until_us: int) -> bool:
        """Whether what ended then gets few records more."""
        return until_us <= self.now_us() - SETTLED_US

    def _forget(self, asked: tuple[object, ...]) -> None:
        kept = self._kept.pop(asked, None)
        if kept is not None:
            self._rows -= len(kept[1]) + 1

    def maker(self, model: str) -> Maker:
        """Who made this model."""
        found = self._makers.get(model)
        if found is None:
            if len(self._makers) >= MOST_MODELS:
                self._makers.clear()
            author = author_of(model)
            authors = self._authors
            found = self._makers[model] = Maker(
                author, authors.title(author), authors.country(author), authors.weights(model)
            )
        return found

    @property
    def rates(self) -> Rates | None:
        """What the server's meter told last of power; None where none ever ran here."""
        return None if self._home is None else attribution.read(attribution.path(self._home))

    def country_title(self, country: str) -> str:
        """What a country is called in English; "Unknown" for none."""
        return self._authors.country_title(country)

    def author_country(self, author: str) -> str:
        """ISO 3166-1 alpha-2 of an author's seat; "" unknown."""
        return self._authors.country(author)

    def author_title(self, author: str) -> str:
        """How people write an author."""
        return self._authors.title(author)

    def key(self, key_id: str) -> KeyName:
        """What this key is called; one that is not known by its id."""
        return self._key_names().get(key_id) or KeyName(key_id, "")

    def key_ids(self, name: str) -> list[str]:
        """The ids of the keys with this name or id. Raises BadRequest where there is none."""
        names = self._key_names()
        found = [name] if name in names else [each for each, key in names.items() if key.name == name]
        if not found:
            raise BadRequest("no key has that name or id; tokenworks key list shows them")
        return found

    def team_ids(self, team: str) -> list[str]:
        """The ids of this team's keys. Raises BadRequest where there is no such team or it has none."""
        found = [key_id for key_id, key in self._key_names().items() if key.team == team] if team else []
        if not found:
            raise BadRequest("no team of that name has keys; tokenworks team list shows the teams")
        return found

    def known_source(self, source: str) -> OutsideSource:
        """What there is of an outside source. Raises BadRequest where nothing is."""
        known = {each.source: each for each in self.store.outside_sources()}
        if source not in known:
            there = f"there is {', '.join(known)}" if known else "import one: tokenworks rankings import FILE"
            raise BadRequest(f"no source of that name was imported; {there}")
        return known[source]

    def _newest_day(self, source: str) -> int | None:
        if source:
            return self.known_source(source).last_day
        bounds = self.store.bounds()
        return None if bounds is None else bounds[1]

    def _key_names(self) -> dict[str, KeyName]:
        now_s = time.monotonic()
        read_s, names = self._names
        if now_s - read_s >= NAMES_S:
            teams = {team.id: team.name for team in self.store.teams()}
            rows = self.store.keys()
            names = {row.id: KeyName(row.name, teams.get(row.team_id, "")) for row in rows}
            self._names = now_s, names
        return names

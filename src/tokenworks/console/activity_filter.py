"""What the list of requests is narrowed to: read from a query, and written into links again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import msgspec

from tokenworks.ledger.record import Record
from tokenworks.ledger.rows import KeyRow
from tokenworks.ledger.store import Store

SPANS = {"1h": 3_600, "24h": 86_400, "7d": 7 * 86_400, "30d": 30 * 86_400, "all": 0}  # s; 0: everything
DEFAULT_SPAN = "7d"
MAX_TEXT = 200  # characters of a field
OUTCOMES = (
    *("ok", "upstream_error", "timeout", "client_gone", "bad_request", "denied", "killed", "shutdown"),
    "queued",
)
_COLUMNS = ("app", "model", "provider", "outcome", "kind", "session", "user")  # of records, by equality
_FIELDS = ("span", "since", "until", "key", *_COLUMNS)
_LATEST_US = 2**62
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Filter(msgspec.Struct, frozen=True):
    """As it was asked for; empty: not narrowed. ``since`` and ``until`` are UTC and go before ``span``."""

    span: str = DEFAULT_SPAN
    since: str = ""
    until: str = ""
    key: str = ""  # id or name
    app: str = ""
    model: str = ""
    provider: str = ""
    outcome: str = ""
    kind: str = ""
    session: str = ""
    user: str = ""
    faults: tuple[str, ...] = ()  # names of fields that can't be read, and are left out

    @property
    def narrowed(self) -> bool:
        """Whether anything but time is asked for."""
        return any(getattr(self, name) for name in ("key", *_COLUMNS))

    def query(self, **more: str) -> str:
        """It as the query of a link; ``more`` goes behind."""
        told = {name: value for name in _FIELDS if (value := getattr(self, name))}
        if told.get("span") == DEFAULT_SPAN or self.since or self.until:
            del told["span"]
        return urlencode({**told, **more}, errors="replace")

    def bounds(self, now_us: int) -> tuple[int, int]:
        """From when until when, unix µs; the end is not part of it."""
        since, until = _micros(self.since), _micros(self.until)
        if since is None and until is None:
            seconds = SPANS[self.span]
            return (now_us - seconds * 1_000_000 if seconds else 0), _LATEST_US
        return since or 0, _LATEST_US if until is None else until

    def where(self, keys: Iterable[KeyRow]) -> dict[str, str]:
        """What ``Store.search`` is asked; a key by its id, of several of one name the newest."""
        found = {name: value for name in _COLUMNS if (value := getattr(self, name))}
        if self.key:
            found["key_id"] = _key_id(self.key, list(keys))
        return found


def read(query: Mapping[str, str]) -> Filter:
    """The filter in a URL's ``query``; what can't be read is named in ``faults``."""
    told = {name: query.get(name, "").strip()[:MAX_TEXT] for name in _FIELDS}
    faults = []
    for name in ("since", "until"):
        if told[name] and _micros(told[name]) is None:
            faults.append(name)
            told[name] = ""
    if told["span"] not in SPANS:
        if told["span"]:
            faults.append("span")
        told["span"] = DEFAULT_SPAN
    return Filter(**told, faults=tuple(faults))


def cursor(record: Record) -> str:
    """Where a page ends: the next one has what is older than ``record``."""
    return f"{record.time_us},{record.id}"


def behind(text: str) -> Record | None:
    """The record that a page goes on behind; None for its first page, and for what is no cursor."""
    time_us, _, name = text.partition(",")
    if (
        not name
        or len(name) > MAX_TEXT
        or not (time_us.isascii() and time_us.isdigit() and len(time_us) < 18)
    ):
        return None
    return Record(name, int(time_us))


def found(
    store: Store, wanted: Filter, keys: Sequence[KeyRow], now_us: int, before: Record | None, limit: int
) -> list[Record]:
    """Up to ``limit`` requests that ``wanted`` lets in, newest first, those older than ``before`` only."""
    since_us, until_us = wanted.bounds(now_us)
    return store.search(since_us, until_us, before=before, limit=limit, where=wanted.where(keys) or None)


def _key_id(text: str, keys: Sequence[KeyRow]) -> str:
    named = [row for row in keys if row.name == text]
    if not named or any(row.id == text for row in keys):
        return text
    return max(named, key=lambda row: row.created_us).id


def _micros(text: str) -> int | None:
    """A day or a minute as an ``<input>`` writes it, in UTC; None where it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return max((moment - _EPOCH) // timedelta(microseconds=1), 0)

"""What the ledger recorded, as a history: each key is a subscriber."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from tokenworks.ledger.record import Record
from tokenworks.ledger.rows import KeyRow
from tokenworks.plans.economics.history import DAY_US, History, Models, Subscriber

Progress = Callable[[int, int], None]  # done, of how many

PAGE = 5000


class Recorded(Protocol):
    """What is read of a store."""

    def requests(
        self, since_us: int, until_us: int, after: Record | None = None, limit: int = PAGE
    ) -> list[Record]:
        """Up to ``limit`` requests of the span in order of time and id, those after ``after`` only."""

    def keys(self) -> list[KeyRow]:
        """Every key, oldest first, revoked ones too."""


def read(store: Recorded, since_us: int, until_us: int, progress: Progress | None = None) -> History:
    """Requests of the span. ``progress`` is told how much of the span was read, in µs.

    A key that could be used in the span but was not is a subscriber, too: those are who flat prices live
    on. Requests that used nothing (refused, failed) are left out.
    """
    keys = store.keys()
    people = {
        key.id: Subscriber(key.name)
        for key in keys
        if key.created_us < until_us and (key.revoked_us is None or key.revoked_us > since_us)
    }
    models = Models()
    for record in _pages(store, since_us, until_us, progress):
        tokens = (
            record.uncached_input_tokens,
            record.cache_read_tokens,
            record.cache_write_tokens,
            record.output_tokens,
        )
        if not any(tokens) and not record.cost_nano_usd:
            continue
        person = people.get(record.key_id)
        if person is None:  # without a key, or one of which nothing is known any more
            person = people[record.key_id] = Subscriber(record.key_id or "(no key)")
        model = models.place(record.model or record.requested_model)
        person.requests.add(record.time_us, model, *tokens, record.cost_nano_usd)
    days = (until_us - since_us) / DAY_US
    note = f"{len(people):,} keys of the ledger over {days:g} days, each taken for a subscriber"
    return History(since_us, until_us, list(people.values()), models.names, note)


def _pages(store: Recorded, since_us: int, until_us: int, progress: Progress | None) -> Iterator[Record]:
    last: Record | None = None
    while True:
        page: Sequence[Record] = store.requests(since_us, until_us, last, PAGE)
        yield from page
        if len(page) < PAGE:
            return
        last = page[-1]
        if progress is not None:
            progress(last.time_us - since_us, until_us - since_us)

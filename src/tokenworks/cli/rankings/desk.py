"""The books of a home, up to date: what a server that was killed left is moved first."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tokenworks.cli.home import no_server, opened_store

if TYPE_CHECKING:
    from tokenworks.config.settings import Settings
    from tokenworks.rankings.books import Books


@contextlib.contextmanager
def opened(settings: Settings) -> Iterator[Books]:
    """What views read; true within a second of the last answer."""
    from tokenworks.ledger.drainer import Drainer
    from tokenworks.rankings.books import Books

    with opened_store(settings) as store:
        with no_server(settings.home) as idle:
            pass
        if idle:
            Drainer(settings.journal_dir, store).recover()
        yield Books(store, home=settings.home)

"""What the tests of rankings share: a store that records are put into by date, and books that read it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fresh_store import fresh_store
from ranked_ledger import NOW, Ledger, us

from tokenworks.rankings.books import Books


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    store = fresh_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    yield Ledger(store)
    store.close()


@pytest.fixture
def books(ledger: Ledger) -> Callable[..., Books]:
    """``books(now)``: what reads the ledger, at that time in UTC."""

    def make(now: str = NOW) -> Books:
        return Books(ledger.store, now_us=lambda: us(now))

    return make

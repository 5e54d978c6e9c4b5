import time

import pytest
from fresh_store import fresh_store

from tokenworks.batches.takeover import Pulse, take_over
from tokenworks.batches.timing import Timing
from tokenworks.errors import StoreError

TIMING = Timing(dead_s=0.3)


class Work:
    """The engine's part: who has work under way."""

    def __init__(self, *owners: str) -> None:
        self.under_way = list(owners)
        self.taken: list[set[str]] = []

    def owners(self) -> set[str]:
        return set(self.under_way)

    def take_over(self, workers) -> int:
        self.taken.append(set(workers))
        before = len(self.under_way)
        self.under_way = [owner for owner in self.under_way if owner not in workers]
        return before - len(self.under_way)


@pytest.fixture
def store(tmp_path):
    made = fresh_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield made
    made.close()


def test_a_worker_is_steady_as_long_as_nobody_can_have_given_it_up(store) -> None:
    pulse = Pulse(store, "w", TIMING)
    assert not pulse.steady and not pulse.beat()
    assert pulse.beat(first=True) and pulse.steady
    time.sleep(0.26)
    assert not pulse.steady, "before the time is over: its clock and the store's are not the same"
    assert pulse.beat() and pulse.steady
    pulse.end()
    assert store.batch_workers() == []


def test_one_that_was_given_up_is_told_so(store) -> None:
    pulse = Pulse(store, "w", TIMING)
    pulse.beat(first=True)
    time.sleep(0.35)
    work = Work("w")
    assert take_over(store, work, TIMING) == 1
    assert not pulse.beat() and not pulse.steady


def test_only_what_belongs_to_the_dead_is_taken_over(store) -> None:
    for name in ("dead", "alive"):
        store.beat(name, first=True)
    time.sleep(0.35)
    store.beat("alive")
    work = Work("alive", "dead", "dead")
    assert take_over(store, work, TIMING) == 2 and work.taken == [{"dead"}]
    assert store.batch_workers() == ["alive"] and work.under_way == ["alive"]
    assert take_over(store, work, TIMING) == 0 and len(work.taken) == 1


def test_work_whose_owner_nobody_knows_is_taken_over_too(store) -> None:
    """Somebody gave its owner up and died before he could hand it on."""
    store.beat("alive", first=True)
    work = Work("alive", "forgotten")
    assert take_over(store, work, TIMING) == 1 and work.taken == [{"forgotten"}]


def test_a_store_that_is_away_stops_a_pulse(store, monkeypatch: pytest.MonkeyPatch) -> None:
    pulse = Pulse(store, "w", TIMING)
    pulse.beat(first=True)

    def away(*_: object, **__: object) -> bool:
        raise StoreError("away")

    monkeypatch.setattr(store, "beat", away)
    with pytest.raises(StoreError):
        pulse.beat()
    assert pulse.steady
    time.sleep(0.3)
    assert not pulse.steady

"""A worker's knowledge: read now and then, never torn, and kept while the store is down."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tokenworks.errors import StoreError
from tokenworks.ledger import decided
from tokenworks.ledger.decided import Call, Decided, LearntRow, Outcome
from tokenworks.ledger.record import Record
from tokenworks.ledger.sqlite import SqliteStore
from tokenworks.ledger.store import Store, open_store
from tokenworks.routing import learner as module
from tokenworks.routing.heads import Corrections, Heads
from tokenworks.routing.learner import DAY_US, NAME, NOTHING, SCOPE, Learner, learnt
from tokenworks.routing.thompson import Counts

TODAY = 20_000
NOW_US = TODAY * DAY_US + 5_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(str(tmp_path / "ledger.db"))
    made.migrate()
    yield made
    made.close()


def seen(store: Store, number: int, right: float, day: int = TODAY) -> None:
    """A decision after which ``a/x`` was right so far."""
    told = Decided(
        *("code", "cascade", "s", 1.0, 5, 9),
        calls=(Call("a/x", 100, 50, 200, 20, 5),),
        outcomes=(Outcome("a/x", right, 1.0),),
    )
    time_us = day * DAY_US + number
    record = Record(f"gen-{time_us // 1_000_000}-{number}", time_us, decision=decided.encode(told))
    store.append("w", number, [record])


def test_what_workers_wrote_all_workers_know(store) -> None:
    one, other = Learner(store), Learner(store)
    assert one.now is NOTHING
    assert one.now.belief("code", "a/x", 0.9, 10).mean == pytest.approx(0.9)
    for number in range(10):
        seen(store, number + 1, 0.0)
    assert one.look(NOW_US) and other.look(NOW_US)
    for each in (one.now, other.now):
        assert each.count("code", "a/x") == Counts(0, 10)
        assert each.belief("code", "a/x", 0.9, 10).mean == pytest.approx(0.45)
        assert each.belief("chat", "a/x", 0.9, 10).mean == pytest.approx(0.9)
        assert 200 < each.spending("code", "a/x").output_tokens < 350
        assert each.time_us == NOW_US


def test_old_days_are_read_once_and_count_all_the_same(store, monkeypatch) -> None:
    for number in range(1, 60):
        seen(store, number, 1.0, TODAY - number)
    asked: list[int] = []
    real = store.learnt
    monkeypatch.setattr(store, "learnt", lambda day: asked.append(day) or real(day))
    learner = Learner(store)
    learner.look(NOW_US)
    first = learner.now.count("code", "a/x").right
    seen(store, 100, 1.0)
    learner.look(NOW_US)
    assert learner.now.count("code", "a/x").right == pytest.approx(first + 1)
    assert asked == [TODAY - module.SPAN_DAYS, TODAY - 1]
    learner.look(NOW_US + DAY_US)
    assert asked[-1] == TODAY + 1 - module.SPAN_DAYS, "a new day: all of it fades"
    whole = learnt(real(0), TODAY + 1, Corrections()).count("code", "a/x").right
    assert learner.now.count("code", "a/x").right == pytest.approx(whole)
    learner._whole_at = 0.0
    learner.look(NOW_US + DAY_US)
    assert asked[-1] == TODAY + 1 - module.SPAN_DAYS, "each hour too"


def test_heads_come_with_it(store) -> None:
    x = np.ones(64, np.float32) / 8
    heads = Heads()
    for _ in range(100):
        heads.update("a/x", x, 0.2, 1.0)
    learner = Learner(store)
    learner.look(NOW_US)
    assert learner.now.corrections.correction("a/x", x) == 0
    store.keep_state(SCOPE, NAME, heads.dumped(), NOW_US + 1)
    learner.look(NOW_US)
    assert learner.now.corrections.correction("a/x", x) == pytest.approx(0.19, abs=0.01)
    kept = learner.now.corrections
    learner.look(NOW_US)
    assert learner.now.corrections is kept, "the same bytes are not solved again"


def test_what_was_learnt_keeps_prompts_apart(store) -> None:
    """A hundred wrong answers at a task: with the vector, easy prompts stay easier than hard ones."""
    x = np.ones(64, np.float32) / 8
    heads = Heads()
    for number in range(100):
        seen(store, number + 1, 0.0)
        heads.learn("code", "a/x", x, 0.8, 0.0, 1.0)
    store.keep_state(SCOPE, NAME, heads.dumped(), NOW_US + 1)
    learner = Learner(store)
    learner.look(NOW_US)
    blind = [learner.now.belief("code", "a/x", right, 1000) for right in (0.95, 0.6)]
    apart = [learner.now.belief("code", "a/x", right, 1000, x) for right in (0.95, 0.6)]
    assert blind[0].mean - blind[1].mean < 0.1
    assert apart[0].mean - apart[1].mean > 0.2 and apart[0].mean < 0.7
    assert apart[0].weight == pytest.approx(blind[0].weight) == pytest.approx(130)
    unknown = learner.now.belief("chat", "a/x", 0.6, 1000, x)
    assert unknown.mean == pytest.approx(0.6), "nothing was seen of it at chat"


def test_broken_heads_are_left_out_and_told_once(store, caplog) -> None:
    store.keep_state(SCOPE, NAME, b"garbage", NOW_US + 1)
    learner = Learner(store)
    assert learner.look(NOW_US) and learner.look(NOW_US)
    assert len(learner.now.corrections) == 0
    assert caplog.text.count("heads can't be read") == 1


class Down:
    """A store that can be switched off."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.reads = 0

    def learnt(self, since_day: int) -> list[LearntRow]:
        self.reads += 1
        if self.error is not None:
            raise self.error
        return [LearntRow(TODAY, "code", "a/x", 10, 4, 1, 1, 0, 1, 0, 1)]

    def state(self, scope: str, name: str, now_us: int) -> bytes | None:
        return None


@pytest.mark.parametrize("error", [StoreError("gone"), RuntimeError("a mistake")])
def test_a_store_that_is_down_leaves_what_is_known(error: Exception, caplog) -> None:
    caplog.set_level("INFO")
    store = Down()
    learner = Learner(store)  # type: ignore[arg-type]
    assert learner.look(NOW_US)
    known = learner.now
    store.error = error
    assert not any(learner.look(NOW_US + turn) for turn in range(5))
    assert learner.now is known
    assert caplog.text.count("stays in use") == 1, "logged once"
    store.error = None
    assert learner.look(NOW_US + 9)
    assert learner.now.time_us == NOW_US + 9 and "can be read again" in caplog.text


def test_the_thread_reads_until_it_is_closed() -> None:
    store = Down()
    learner = Learner(store, every_s=0.005)  # type: ignore[arg-type]
    learner.start()
    deadline = time.monotonic() + 5
    while store.reads < 4 and time.monotonic() < deadline:
        time.sleep(0.005)
    learner.close()
    reads = store.reads
    time.sleep(0.03)
    assert store.reads == reads >= 4
    assert "learner" not in {thread.name for thread in threading.enumerate()}
    Learner(store).close()  # type: ignore[arg-type]


def test_a_store_on_another_machine_works_alike(tmp_path: Path) -> None:
    made = open_store(f"sqlite:///{tmp_path / 'b.db'}")
    learner = Learner(made)
    assert not learner.look(NOW_US), "no tables yet"
    made.migrate()
    assert learner.look(NOW_US)
    made.close()

"""What a worker knows of what was learnt: read from the store every now and then, by a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable

import msgspec

from tokenworks.errors import StoreError
from tokenworks.ledger.decided import LearntRow
from tokenworks.ledger.store import Store
from tokenworks.routing import heads as heads_of
from tokenworks.routing import thompson
from tokenworks.routing.heads import Corrections, Vector
from tokenworks.routing.spending import Spending, Spendings
from tokenworks.routing.thompson import HALF_LIFE_DAYS, NONE, Belief, Counts, Table

log = logging.getLogger(__name__)

EVERY_S = 30.0
WHOLE_EVERY_S = 3600.0  # old days change only when somebody judges an old answer
DAY_US = 86_400_000_000
SPAN_DAYS = int(6 * HALF_LIFE_DAYS)  # what is older counts less than a sixtieth
SCOPE, NAME = "routing", "heads"  # where the heads are kept, as a state of the store


class Learnt(msgspec.Struct, frozen=True):
    """A moment's knowledge. Unchanging: a decision takes one and uses it throughout."""

    counts: Table
    spendings: Spendings
    corrections: Corrections
    time_us: int = 0  # when it was read; 0: never

    def belief(
        self, task: str, model: str, right: float, weight: float, vector: Vector | None = None
    ) -> Belief:
        """P(``model`` is right) at ``task``: the predictor's ``right`` of ``weight`` samples, and ours.

        With the prompt's ``vector``, where something was learnt, the predictor is put right and still tells
        prompts apart; else its word and what was counted at the task are simply added up.
        """
        belief = thompson.believed(right, weight, self.count(task, model))
        if vector is None or not self.corrections.knows(task, model):
            return belief
        return thompson.around(self.corrections.corrected(model, vector, right, task), belief.weight)

    def spending(self, task: str, model: str) -> Spending:
        """What an answer of ``model`` at ``task`` takes."""
        return self.spendings.expect(task, model)

    def count(self, task: str, model: str) -> Counts:
        """What was seen of ``model`` at ``task``."""
        return self.counts.get((task, model), NONE)


def learnt(rows: Iterable[LearntRow], today: int, corrections: Corrections, time_us: int = 0) -> Learnt:
    """Knowledge of ``rows`` as on ``today`` (UTC days since 1970)."""
    rows = list(rows)
    return Learnt(thompson.counted(rows, today), Spendings(rows, today), corrections, time_us)


NOTHING = learnt((), 0, Corrections())


class Learner:
    """Holds the newest ``Learnt`` as ``now``, which any thread may take."""

    def __init__(self, store: Store, every_s: float = EVERY_S) -> None:
        self.now = NOTHING
        self._store = store
        self._every_s = every_s
        self._old: list[LearntRow] = []  # days before yesterday, in one row for each cell
        self._old_day = -1
        self._whole_at = 0.0
        self._heads = b""
        self._corrections = Corrections()
        self._failing = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Read now and then from now on, the first time at once; nobody waits for it."""
        self._thread = threading.Thread(target=self._run, name="learner", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """No more reading; waits for one that is under way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            self.look(time.time_ns() // 1000)
            if self._stop.wait(self._every_s):
                return

    def look(self, now_us: int) -> bool:
        """Read once. False where the store is down: what was known stays, and that is logged once."""
        try:
            self.now = self._read(now_us)
        except StoreError as error:
            self._complain("what was learnt can't be read: %s; what is known stays in use", error)
            return False
        except Exception:
            if not self._failing:
                log.exception("learner: unexpected; what is known stays in use")
            self._failing = True
            return False
        if self._failing:
            log.info("what was learnt can be read again")
        self._failing = False
        return True

    def _complain(self, text: str, *values: object) -> None:
        if not self._failing:
            log.warning(text, *values)
        self._failing = True

    def _read(self, now_us: int) -> Learnt:
        today = now_us // DAY_US
        if self._old_day != today or time.monotonic() >= self._whole_at:
            rows = self._store.learnt(today - SPAN_DAYS)
            old = [row for row in rows if row.day < today - 1]
            self._old = thompson.collapsed(old, today)
            self._old_day, self._whole_at = today, time.monotonic() + WHOLE_EVERY_S
            rows = [row for row in rows if row.day >= today - 1]
        else:
            rows = self._store.learnt(today - 1)
        self._read_heads(now_us)
        return learnt([*self._old, *rows], today, self._corrections, now_us)

    def _read_heads(self, now_us: int) -> None:
        body = self._store.state(SCOPE, NAME, now_us) or b""
        if body == self._heads:
            return
        self._heads = body
        try:
            self._corrections = heads_of.loaded(body).solved() if body else Corrections()
        except ValueError as error:
            log.error("the router's heads can't be read and are left out: %s", error)
            self._corrections = Corrections()

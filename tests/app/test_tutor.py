"""The heads learn from each decision once: in order, in rounds of any size, and whoever is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tokenworks.app import tutor as module
from tokenworks.app.tutor import LAG_US, Tutor
from tokenworks.errors import StoreError
from tokenworks.ledger import decided
from tokenworks.ledger.decided import Decided
from tokenworks.ledger.feedback import FeedbackRow
from tokenworks.ledger.record import Record
from tokenworks.ledger.sqlite import SqliteStore
from tokenworks.routing import decision as decision_of
from tokenworks.routing.decision import Candidate, Decision, Step
from tokenworks.routing.heads import Heads, loaded
from tokenworks.routing.learner import NAME, SCOPE
from tokenworks.routing.observed import AGREEMENT_WEIGHT, CHECKS_WEIGHT

BASE_US = 1_764_000_100_000_000
NOW_US = BASE_US + 86_400_000_000

# Forks tutors one after the other and kills each at a random moment, until one has nothing left to do.
KILLED = """
import os, random, signal, sys, time
from tokenworks.app import tutor as module
from tokenworks.ledger.sqlite import SqliteStore

module.MOST = 3
path, now_us, rng = sys.argv[1], int(sys.argv[2]), random.Random(int(sys.argv[3]))
kills = 0
while True:
    pid = os.fork()
    if pid == 0:
        tutor = module.Tutor(SqliteStore(path))
        while tutor.teach(now_us):
            pass
        os._exit(0)
    deadline = time.monotonic() + rng.random() * 0.02
    while time.monotonic() < deadline and not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        time.sleep(0.0005)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status):
        break
    kills += 1
print(kills)
"""


@pytest.fixture
def store(tmp_path: Path):
    made = SqliteStore(str(tmp_path / "ledger.db"))
    made.migrate()
    yield made
    made.close()


def story(number: int, right: float = 0.9, **more: object) -> Decision:
    rng = np.random.default_rng(number)
    vector = rng.normal(size=64)
    steps = (Step("a/x", f"{number}", "accepted", right=right),)
    if number % 3 == 0:
        steps = (
            Step("a/x", f"{number}", "doubted"),
            Step("b/y", f"{number}b", "accepted", right=0.8, agrees=1.0),
        )
    told = Decision(
        *("code", "cascade", "s", "because"),
        candidates=(Candidate("a/x", 0.6, 0.001), Candidate("b/y", 0.5, 0.001)),
        steps=steps,
        served="a/x",
        vector=decision_of.packed((vector / np.linalg.norm(vector)).astype(np.float32)),
    )
    for name, value in more.items():
        setattr(told, name, value)
    return told


def add(store, number: int, detail: bytes | None = None, time_us: int | None = None) -> str:
    time_us = BASE_US + number * 1_000_000 if time_us is None else time_us
    record = Record(f"gen-{time_us // 1_000_000}-{number:04d}", time_us, model="a/x", outcome="ok")
    body = decision_of.encode(story(number)) if detail is None else detail
    record.decision = decided.encode(Decided("code", "cascade", "s", 1.0, 5, 9, body))
    store.append("w", number + 1, [record])
    return record.id


def kept(store) -> Heads:
    body = store.state(SCOPE, NAME, NOW_US)
    assert body is not None
    return loaded(body)


def expected(count: int) -> Heads:
    heads = Heads()
    for number in range(count):
        vector = decision_of.unpacked(story(number).vector)
        if number % 3:
            heads.learn("code", "a/x", vector, 0.6, 0.9, CHECKS_WEIGHT)
        else:
            from tokenworks.routing.observed import observed

            one, other = observed(story(number))
            heads.learn("code", "a/x", vector, 0.6, one.right, AGREEMENT_WEIGHT)
            heads.learn("code", "b/y", vector, 0.5, other.right, AGREEMENT_WEIGHT)
    return heads


def same(one: Heads, other: Heads) -> bool:
    one.position = other.position = b""
    return one.dumped() == other.dumped()


def test_each_decision_counts_once_in_rounds_of_any_size(store, monkeypatch) -> None:
    for number in range(20):
        add(store, number)
    monkeypatch.setattr(module, "MOST", 7)
    monkeypatch.setattr(module, "PAGE", 3)
    assert [Tutor(store).teach(NOW_US) for _ in range(5)] == [7, 7, 6, 0, 0]
    assert same(kept(store), expected(20))
    add(store, 20)
    assert Tutor(store).teach(NOW_US) == 1
    assert same(kept(store), expected(21))


def test_two_tutors_of_one_store_count_nothing_twice(store, monkeypatch) -> None:
    """One is slow: it read before the other's round and writes after it."""
    for number in range(12):
        add(store, number)
    monkeypatch.setattr(module, "MOST", 5)
    real, turns = store.keep_state, []

    def slow(*values: object) -> None:
        if not turns:
            turns.append(1)
            Tutor(store).teach(NOW_US)
            Tutor(store).teach(NOW_US)
        real(*values)

    monkeypatch.setattr(store, "keep_state", slow)
    while Tutor(store).teach(NOW_US):
        pass
    assert same(kept(store), expected(12))


def test_killed_at_any_moment_it_loses_and_doubles_nothing(store, tmp_path: Path) -> None:
    for number in range(40):
        add(store, number)
    command = [sys.executable, "-c", KILLED, str(tmp_path / "ledger.db"), str(NOW_US), "7"]
    done = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, check=True
    )
    assert int(done.stdout) >= 1  # how often it is met alive is up to the machine
    assert Tutor(store).teach(NOW_US) == 0
    assert same(kept(store), expected(40))


def test_what_is_still_on_its_way_is_waited_for(store) -> None:
    add(store, 0)
    late_us = NOW_US - LAG_US
    add(store, 1, time_us=late_us)
    tutor = Tutor(store)
    assert (tutor.teach(NOW_US), tutor.teach(NOW_US)) == (1, 0)
    assert tutor.teach(NOW_US + 1) == 1


@pytest.mark.parametrize(
    "detail",
    [
        b"",
        b"garbage \xff",
        b"[]",
        decision_of.encode(story(1, vector="")),
        decision_of.encode(story(1, vector="not base64!")),
        decision_of.encode(story(1, candidates=())),
        decision_of.encode(story(1, steps=(Step("a/x", "1", "served"),))),
        decision_of.encode(story(1, right=float("inf"))),
    ],
)
def test_what_tells_nothing_is_passed_over(store, detail: bytes) -> None:
    add(store, 0, detail)
    assert Tutor(store).teach(NOW_US) == 1
    assert (len(kept(store).solved()), Tutor(store).teach(NOW_US)) == (0, 0)


def test_the_predictors_own_word_is_what_is_corrected(store) -> None:
    """``prior`` of a candidate, where it is told: ``right`` has the correction in it already."""
    detail = decision_of.encode(story(1)).replace(b'"right":0.6', b'"right":0.85,"prior":0.6')
    add(store, 1, detail)
    Tutor(store).teach(NOW_US)
    heads = Heads()
    heads.learn("code", "a/x", decision_of.unpacked(story(1).vector), 0.6, 0.9, CHECKS_WEIGHT)
    assert same(kept(store), heads)


def test_a_verdict_teaches_and_a_changed_one_teaches_anew(store) -> None:
    name = add(store, 1, decision_of.encode(story(1, steps=())))
    vector = decision_of.unpacked(story(1).vector)
    verdict = FeedbackRow(name, BASE_US + 50_000_000, "k", "a/x", "code", 1.0)
    store.put_feedback(verdict)
    store.put_feedback(FeedbackRow("gen-1764000101-none", BASE_US, "k", "a/x", "code", 1.0))  # pruned
    store.put_feedback(FeedbackRow("gen-1764000102-task", BASE_US, "k", "a/x", "", 1.0))
    assert Tutor(store).teach(NOW_US) == 4
    heads = Heads()
    heads.learn("code", "a/x", vector, 0.6, 1.0, 1.0)
    assert same(kept(store), heads)
    changed = FeedbackRow(name, BASE_US + 90_000_000, "k", "a/x", "code", 0.25)
    store.put_feedback(changed)
    assert (Tutor(store).teach(NOW_US), Tutor(store).teach(NOW_US)) == (1, 0)
    heads = Heads()
    heads.learn("code", "a/x", vector, 0.6, 0.25, 1.0)
    ours, wanted = kept(store).solved(), heads.solved()
    assert ours._heads["a/x"] == pytest.approx(wanted._heads["a/x"], abs=1e-12)


def test_unreadable_heads_are_learnt_anew(store, caplog) -> None:
    for number in range(3):
        add(store, number)
    store.keep_state(SCOPE, NAME, b"garbage", NOW_US * 2)
    assert Tutor(store).teach(NOW_US) == 3
    assert same(kept(store), expected(3))
    assert "learnt anew" in caplog.text


def test_it_looks_each_minute_and_at_once_while_much_is_left(store, monkeypatch) -> None:
    for number in range(5):
        add(store, number)
    monkeypatch.setattr(module, "MOST", 4)
    tutor = Tutor(store)
    assert [tutor.look(NOW_US) for _ in range(3)] == [4, 1, 0]
    add(store, 6)
    assert tutor.look(NOW_US) == 0
    tutor._due_at = time.monotonic()
    assert tutor.look(NOW_US) == 1


def test_a_store_that_fails_is_the_caretakers_business(store, monkeypatch) -> None:
    add(store, 0)

    def down(*_: object) -> None:
        raise StoreError("down")

    with monkeypatch.context() as patch:
        patch.setattr(store, "keep_state", down)
        with pytest.raises(StoreError):
            Tutor(store).look(NOW_US)
    assert Tutor(store).look(NOW_US) == 1, "nothing was lost"

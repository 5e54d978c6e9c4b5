"""Teaches the router's heads what came of decisions, once for each, whoever dies in between.

The heads and how far the evidence is in them are one value in the store. A round reads that value, adds what
is new, and writes it; two tutors of one store at the same time only do the same work twice.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import logging
import time
from collections.abc import Iterator

import msgspec

from tokenworks.ledger.decided import DecisionRow
from tokenworks.ledger.feedback import FeedbackRow
from tokenworks.ledger.store import Store
from tokenworks.routing import decision as decision_of
from tokenworks.routing import heads as heads_of
from tokenworks.routing.decision import Decision
from tokenworks.routing.heads import Heads
from tokenworks.routing.learner import NAME, SCOPE
from tokenworks.routing.observed import observed

log = logging.getLogger(__name__)

EVERY_S = 60.0
LAG_US = 900_000_000  # a decision has the time at which its request began, which may have taken so long
FIRST_US = 30 * 86_400_000_000  # how far back a first round looks
KEPT_US = 10 * 365 * 86_400_000_000
MOST = 2000  # pieces of evidence in one round, a tenth of a second
PAGE = 500
MOST_VERDICTS = 2048  # that are remembered, in case somebody changes his mind
VERDICT_WEIGHT = 1.0


class Position(msgspec.Struct, array_like=True):
    """Which evidence is in the heads."""

    decision: tuple[int, str]  # time and id of the last one
    verdict: tuple[int, str]
    verdicts: list[tuple[int, float]] = []  # hash and score of the last ones, oldest first


_position = msgspec.msgpack.Decoder(Position).decode


class Tutor:
    """Use from one thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._due_at = 0.0

    def look(self, now_us: int) -> int:
        """Every ``EVERY_S``, or at once where much is left to do: one round. Raises ``StoreError``."""
        if time.monotonic() < self._due_at:
            return 0
        learnt = self.teach(now_us)
        self._due_at = 0.0 if learnt == MOST else time.monotonic() + EVERY_S
        return learnt

    def teach(self, now_us: int) -> int:
        """Add what is new, ``MOST`` pieces of evidence at most; returns how many. Raises ``StoreError``."""
        heads, position = self._kept(now_us)
        scores = dict(position.verdicts)
        until_us = now_us - LAG_US
        news: Iterator[DecisionRow | FeedbackRow] = heapq.merge(
            self._decisions(position.decision, until_us),
            self._verdicts(position.verdict, until_us),
            key=lambda row: row.time_us,
        )
        done = 0
        for row in itertools.islice(news, MOST):
            done += 1
            if isinstance(row, DecisionRow):
                _learn_decision(heads, row)
                position.decision = (row.time_us, row.id)
            else:
                self._learn_verdict(heads, row, scores)
                position.verdict = (row.time_us, row.id)
        if done:
            position.verdicts = list(scores.items())[-MOST_VERDICTS:]
            heads.position = msgspec.msgpack.encode(position)
            self._store.keep_state(SCOPE, NAME, heads.dumped(), now_us + KEPT_US)
        return done

    def _kept(self, now_us: int) -> tuple[Heads, Position]:
        body = self._store.state(SCOPE, NAME, now_us)
        if body is not None:
            try:
                heads = heads_of.loaded(body)
                return heads, _position(heads.position)
            except (ValueError, msgspec.DecodeError) as error:
                log.error("the router's heads can't be read and are learnt anew: %s", error)
        first_us = now_us - FIRST_US
        return Heads(), Position((first_us, ""), (first_us, ""))

    def _decisions(self, start: tuple[int, str], until_us: int) -> Iterator[DecisionRow]:
        last = DecisionRow(start[1], start[0], "", "", "", "", "", "", 0.0, 0, 0, b"")
        while page := self._store.decisions(last.time_us, until_us, last, PAGE):
            yield from page
            last = page[-1]

    def _verdicts(self, start: tuple[int, str], until_us: int) -> Iterator[FeedbackRow]:
        last = FeedbackRow(start[1], start[0], "", "", "", 0.0)
        while page := self._store.feedback(last.time_us, until_us, last, PAGE):
            yield from page
            last = page[-1]

    def _learn_verdict(self, heads: Heads, verdict: FeedbackRow, scores: dict[int, float]) -> None:
        row = self._store.decision(verdict.id) if verdict.task else None
        told = _read(row) if row is not None else None
        if told is None:
            return
        decision, priors = told
        vector = decision_of.unpacked(decision.vector)
        prior, mark = priors.get(verdict.model), _mark(verdict.id)
        if prior is None:
            return
        old = scores.pop(mark, None)
        if old is None:
            heads.learn(verdict.task, verdict.model, vector, prior, verdict.score, VERDICT_WEIGHT)
        else:
            heads.amend(verdict.task, verdict.model, vector, verdict.score - old, VERDICT_WEIGHT)
        scores[mark] = verdict.score


def _learn_decision(heads: Heads, row: DecisionRow) -> None:
    told = _read(row)
    if told is None:
        return
    decision, priors = told
    vector = decision_of.unpacked(decision.vector)
    for outcome in observed(decision):
        if outcome.model in priors:
            foretold = priors[outcome.model]
            heads.learn(row.task, outcome.model, vector, foretold, outcome.right, outcome.weight)


def _read(row: DecisionRow) -> tuple[Decision, dict[str, float]] | None:
    """The decision and what was predicted of each model; None where there is nothing to learn from."""
    try:
        decision = decision_of.read(row.detail)
        if not decision_of.unpacked(decision.vector).size:
            return None
    except ValueError as error:
        log.debug("nothing is learnt from %s: %s", row.id, error)
        return None
    # What was predicted without what was learnt; decisions of an earlier version don't tell it apart.
    return decision, {
        each.model: each.right if each.prior is None else each.prior for each in decision.candidates
    }


def _mark(record_id: str) -> int:
    digest = hashlib.blake2b(record_id.encode("utf-8", "replace"), digest_size=7).digest()
    return int.from_bytes(digest, "big")

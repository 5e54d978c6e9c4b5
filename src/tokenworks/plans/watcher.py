"""Watches keys on plans with fair use, and says when something is to be done about one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from tokenworks.ledger.limit_rows import ActionRow
from tokenworks.ledger.record import Record
from tokenworks.plans.fair_use.score import Score, judge, score
from tokenworks.plans.fair_use.signals import Seen, signals
from tokenworks.plans.fair_use.trail import Trail
from tokenworks.plans.spec import FairUse, PlanSpec

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
LOOK_US = 10 * MINUTE_US  # between two looks at one key, and only after a new request
CONFIRM_US = 30 * MINUTE_US  # a score has to stay up for so long before anything is done
BAND = 0.1  # below the threshold; only further down a key counts as back to normal
MOST_REQUESTS = 5000  # that one review goes through, about 40 ms; the rest is for the next one

# What a person or program set off. A refusal or a failure is tried again by the client's library within a
# second, which says nothing of who sits before it.
COUNTED = frozenset({"ok", "client_gone", "killed", "shutdown"})
UNCOUNTED_KINDS = frozenset({"embeddings", "count_tokens"})  # editors send them on their own, in bursts


class Note(msgspec.Struct, frozen=True):
    """A key over its plan's threshold, where nothing is to be done but to tell."""

    key_id: str
    plan: str
    score: float
    reasons: list[str]
    time_us: int


class Review(msgspec.Struct, frozen=True):
    """What a review found that is new."""

    actions: list[ActionRow]
    notes: list[Note]


class _Watched:
    """One key."""

    __slots__ = ("above_since_us", "looked_us", "new", "quiet_until_us", "trail")

    def __init__(self, since_us: int = 0) -> None:
        self.trail = Trail(since_us)
        self.new = False  # since the last look
        self.looked_us = 0
        self.above_since_us: int | None = None
        self.quiet_until_us = 0


class Watcher:
    """Keeps the last day of each watched key in bounded memory. Use from one thread."""

    def __init__(self, specs: Mapping[str, PlanSpec] | None = None) -> None:
        """``specs``: the plan of each key that has one; those without ``fair_use`` are not watched."""
        self._specs: dict[str, PlanSpec] = {}
        self._keys: dict[str, _Watched] = {}
        self.watch(specs or {})

    def watch(self, specs: Mapping[str, PlanSpec]) -> None:
        """The plans are these from now on; what is known of keys no longer watched is forgotten."""
        self._specs = {key: spec for key, spec in specs.items() if spec.fair_use is not None}
        for key_id in self._keys.keys() - self._specs.keys():
            del self._keys[key_id]

    def load(self, records: Iterable[Record], actions: Iterable[ActionRow] = ()) -> None:
        """Fill in what was before the start: call once, before ``observe``, with the last day's records.

        ``actions``: all that the store has, those whose time is over too. What led to one does not count
        again.
        """
        for action in actions:
            if action.key_id in self._specs:
                watched = self._keys.setdefault(action.key_id, _Watched())
                self._begin_anew(watched, action.since_us, action.until_us)
        self.observe(records)

    def observe(self, records: Iterable[Record]) -> None:
        """Take note of finished requests, in any order of less than minutes."""
        for record in records:
            if record.key_id in self._specs and record.outcome in COUNTED:
                if record.kind in UNCOUNTED_KINDS:
                    continue
                watched = self._keys.get(record.key_id)
                if watched is None:
                    watched = self._keys[record.key_id] = _Watched()
                watched.trail.add(_seen(record))
                watched.new = True

    def lifted(self, key_id: str, now_us: int) -> None:
        """Somebody took an action back: nothing that was seen until now counts against the key again."""
        watched = self._keys.get(key_id)
        if watched is not None:
            self._begin_anew(watched, now_us, now_us)

    def look(self, key_id: str, now_us: int) -> Score | None:
        """How the key stands now; None for one that is not watched or did nothing."""
        watched, spec = self._keys.get(key_id), self._specs.get(key_id)
        if watched is None or spec is None:
            return None
        watched.trail.expire(now_us)
        counts = watched.trail.counts(now_us)
        return score(signals(watched.trail.seen(), spec.clients, now_us, counts))

    def review(self, now_us: int, specs: Mapping[str, PlanSpec] | None = None) -> Review:
        """Look at the keys that are due and return what is newly to be done or told.

        ``specs`` as for ``watch``, where they changed. Call each few seconds: it goes through
        ``MOST_REQUESTS`` requests at most, those longest not looked at first. A key has an action once its
        score was at its plan's threshold for ``CONFIRM_US`` without falling ``BAND`` below, and not again
        while that action stands.
        """
        if specs is not None:
            self.watch(specs)
        found = Review([], [])
        due = [
            (watched.looked_us, key_id)
            for key_id, watched in self._keys.items()
            if watched.new and now_us - watched.looked_us >= LOOK_US
        ]
        gone_through = 0
        for _, key_id in sorted(due):
            gone_through += len(self._keys[key_id].trail)
            self._review_one(key_id, now_us, found)
            if gone_through >= MOST_REQUESTS:
                break
        return found

    def _review_one(self, key_id: str, now_us: int, found: Review) -> None:
        watched, spec = self._keys[key_id], self._specs[key_id]
        fair, verdict = spec.fair_use, self.look(key_id, now_us)
        watched.looked_us, watched.new = now_us, False
        if fair is None or verdict is None:
            return
        if verdict.value < fair.threshold - BAND or not verdict.enough:
            watched.above_since_us = None
        if not judge(verdict, fair):
            return
        if watched.above_since_us is None:
            watched.above_since_us = now_us
        if now_us - watched.above_since_us < CONFIRM_US or now_us < watched.quiet_until_us:
            return
        until_us = now_us + int(fair.hours * HOUR_US)
        if fair.action == "observe":
            found.notes.append(Note(key_id, spec.name, verdict.value, verdict.reasons, now_us))
            watched.quiet_until_us = until_us
            return
        found.actions.append(_action(key_id, fair, verdict, now_us, until_us))
        self._begin_anew(watched, now_us, until_us)

    def _begin_anew(self, watched: _Watched, since_us: int, until_us: int | None) -> None:
        """Each action rests on evidence of its own: what led to the last one is forgotten."""
        watched.trail = Trail(since_us)
        watched.above_since_us = None
        watched.quiet_until_us = 2**63 - 1 if until_us is None else until_us


def _seen(record: Record) -> Seen:
    input_tokens = record.uncached_input_tokens + record.cache_read_tokens + record.cache_write_tokens
    return Seen(
        record.time_us,
        record.session,
        record.app,
        input_tokens,
        record.output_tokens,
        record.latency_us,
        record.finish_reason,
    )


def _action(key_id: str, fair: FairUse, verdict: Score, now_us: int, until_us: int) -> ActionRow:
    reasons = [f"score {verdict.value:.2f}, threshold {fair.threshold:g}", *verdict.reasons]
    return ActionRow(key_id, fair.action, msgspec.json.encode(reasons).decode(), now_us, until_us)

"""How an agent's work goes, told by its tools' results alone: is the model that does it stuck?

The newest results are replayed, the oldest first, through a small state machine. So the tier follows from the
conversation itself: it needs no session and no memory, is the same on every worker, and asks no model.
``level`` rises with failures (most when the same one comes back), sinks with what succeeds, and falls when a
check passes. The strong tier begins at ``UP`` and ends at ``DOWN``; between them nothing changes, so it does
not flip from turn to turn, and nothing holds it when work goes well again.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from tokenworks.routing.command import Kind
from tokenworks.routing.outcome_of_tool import Outcome, outcome_of, said
from tokenworks.wire.history import History, ToolResult

Tier = Literal["cheap", "strong"]

_FIRST_PATH = re.compile(r"[\w./~-]*[\w-][./][\w][\w./-]*")
_TEST_PATH = re.compile(r"(?:^|[/_.-])(?:tests?|specs?)(?:[/_.-]|$)|__tests__|test\.\w+$")

UP, DOWN = 0.6, 0.3
# What a failure adds to the level at its first time, and when it comes back.
_NEW = {"soft": 0.1, "hard": 0.25, "denied": 0.15, "timeout": 0.25, "fatal": 0.65}
_AGAIN = {"soft": 0.22, "hard": 0.4, "denied": 0.5, "timeout": 0.4, "fatal": 0.65}
_IN_A_ROW = 3  # failures without a success or an edit between, from which on each counts more
_REMEMBERED = 10  # failures that a new one is compared with


class Stage(msgspec.Struct, frozen=True, gc=False):
    """Where the work stands. ``stuck`` is the level, 0 to 1. ``why`` is a few words, never the agent's.

    ``switched``: the last turn of the model brought the change of tier.
    """

    tier: Tier
    stuck: float
    why: str
    switched: bool


class _Failed(msgspec.Struct, gc=False):
    marks: frozenset[str]
    failing: int | None
    turn: int
    program: str
    kind: Kind


def assess(history: History) -> Stage:
    """The tier that the next turn of the model in ``history`` needs. Pure; never raises."""
    state = _State()
    turn: list[tuple[ToolResult, Outcome]] = []
    before: Tier = "cheap"
    for result in history.results:
        if turn and turn[0][0].turn != result.turn:
            state.take(turn)
            turn = []
        turn.append((result, outcome_of(result)))
    before = state.tier
    if turn:
        state.take(turn)
    if turn and not history.after_tool:  # a person has the word again
        state.hear()
    return Stage(state.tier, round(min(state.level, 1.0), 3), state.why, state.tier != before)


class _State:
    """The machine. One step is a turn of the model: all calls that it made at once."""

    def __init__(self) -> None:
        self.level = 0.0
        self.tier: Tier = "cheap"
        self.why = "no tool has failed"
        self._failures: list[_Failed] = []
        self._row = 0  # failures since the last success or edit
        self._edited = False  # since the last failure
        self._tests_only = False  # what was edited since the last check are tests
        self._seen: dict[tuple[str, str], list[ToolResult]] = {}  # calls and answers since the last edit
        self._turn = 0

    def hear(self) -> None:
        """A person spoke: what went wrong counts less, for the task may be another."""
        self.level *= 0.45
        self._row = 0
        self._settle()

    def take(self, turn: list[tuple[ToolResult, Outcome]]) -> None:
        """One turn with its results."""
        self._turn += 1
        if turn[0][0].spoken and self._turn > 1:
            self.hear()
        gain, why, failed, worked = 0.0, "", False, False
        failures: list[_Failed] = []
        for result, outcome in turn:
            if outcome.failure:
                more, told = self._failure(outcome, failures)
                failed = True
            else:
                more, told = self._success(result, outcome)
                worked = worked or outcome.work.kind != "read"
            if more > gain or not why:
                gain, why = max(gain, more), told or why
        if failed:
            self._row += 1
            if self._row >= _IN_A_ROW:
                gain, why = gain + 0.15, why if gain >= 0.4 else "failures in a row"
        elif worked:
            self._row = 0
        self._failures = (self._failures + failures)[-_REMEMBERED:]
        self.level = min(self.level + gain, 1.0)
        if why:
            self.why = why
        self._settle()

    def _settle(self) -> None:
        if self.level >= UP:
            self.tier = "strong"
        elif self.level <= DOWN:
            self.tier = "cheap"

    # --- what fails ---------------------------------------------------------------------------

    def _failure(self, outcome: Outcome, failures: list[_Failed]) -> tuple[float, str]:
        work, kind = outcome.work, outcome.failure
        assert kind
        this = _Failed(outcome.marks, outcome.failing, self._turn, work.program, work.kind)
        failures.append(this)
        edited, self._edited = self._edited or work.writes, work.writes
        meant, self._tests_only = self._tests_only and work.kind == "test", False
        if meant:
            return 0.05, "a new test fails, as it should"
        last = next((one for one in reversed(self._failures) if one.program == work.program), None)
        fewer = last is not None and last.failing and outcome.failing and outcome.failing < last.failing
        if fewer:
            self.level *= 0.6
            self._row = 0
            return 0.0, "fewer failures than before"
        if any(_alike(this, one) for one in self._failures):
            return _AGAIN[kind], _AGAIN_WHY[kind]
        if last is not None and last.failing and outcome.failing and outcome.failing > last.failing:
            return _AGAIN[kind], "more failures than before"
        if edited and self._failures and kind == "hard":
            self._row = min(self._row, _IN_A_ROW - 2)
            return 0.15, "another failure than before"
        return _NEW[kind], _NEW_WHY[kind]

    # --- what succeeds ------------------------------------------------------------------------

    def _success(self, result: ToolResult, outcome: Outcome) -> tuple[float, str]:
        work = outcome.work
        if outcome.proven:
            self._seen.clear()
            if work.kind == "test":
                self.level *= 0.1
                return 0.0, "tests pass"
            built = not self._failures or self._failures[-1].kind != "test"
            self.level *= 0.4 if built else 0.95  # it compiled before, too: the tests are what fails
            return 0.0, "it builds now" if built else ""
        if work.kind == "edit":
            self._tests_only = _of_tests(result) and (self._tests_only or not self._edited)
            self._edited = True
            self._seen.clear()
            return 0.0, ""
        before = self._seen.setdefault((result.tool, result.arguments), [])
        before.append(result)
        times = 0
        if len(before) > 1:
            now = said(result)
            times = sum(said(one) == now for one in before[-5:-1])
        if times and not work.waiting:
            gain = min(0.08 * times, 0.2) if work.kind == "read" else 0.15 * times
            return gain, "reads the same again" if work.kind == "read" else "the same call again"
        if work.kind == "read":
            self.level *= 0.98
            return 0.0, ""
        same = self._failures and self._failures[-1].program == work.program
        self.level *= 0.4 if same else 0.85
        return 0.0, "what failed works now" if same else ""


def _alike(this: _Failed, other: _Failed) -> bool:
    """The same failure in another turn: at least half of the marks are the same."""
    if this.turn == other.turn or not this.marks or not other.marks:
        return False
    return 2 * len(this.marks & other.marks) >= min(len(this.marks), len(other.marks))


def _of_tests(result: ToolResult) -> bool:
    """Whether an edit is of a test: by the first path among its arguments."""
    path = _FIRST_PATH.search(result.arguments[:400])
    return path is not None and _TEST_PATH.search(path.group().lower()) is not None


_NEW_WHY = {
    "soft": "a small failure",
    "hard": "a first failure",
    "denied": "refused",
    "timeout": "timed out",
    "fatal": "a process died: memory or a crash",
}
_AGAIN_WHY = {
    "soft": "the same small failure again",
    "hard": "the same failure again",
    "denied": "refused again",
    "timeout": "timed out again",
    "fatal": "a process died again: memory or a crash",
}


def stay(
    gain: float,
    *,
    value_usd: float,
    saved_usd: float = 0.0,
    cached_tokens: int,
    cold_usd_mtok: float,
    cached_usd_mtok: float,
    turns: float = 1.0,
) -> bool:
    """Whether to stay with the model whose prompt cache is warm rather than switch to the other one.

    ``gain`` is P(right) of the other less P(right) of this one, ``value_usd`` what a right answer is worth,
    ``saved_usd`` what the other's answer costs less (negative: more), caches aside; both hold for each of the
    ``turns`` that are expected to come. Against it stands, once, that the ``cached_tokens`` have to be read
    at the other's ``cold_usd_mtok`` (what it asks for writing a cache, where it does) instead of at this
    one's ``cached_usd_mtok``.
    """
    cold_usd = cached_tokens * (cold_usd_mtok - cached_usd_mtok) / 1e6
    return (gain * value_usd + saved_usd) * turns <= cold_usd

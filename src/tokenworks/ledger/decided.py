"""How a request for ``auto`` was decided, as it goes from a worker through its record into the store."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from tokenworks.ledger.record import MAX_COST_NANO_USD, MAX_TOKENS, Record
from tokenworks.ledger.rollups import DAY_US

log = logging.getLogger(__name__)
MAX_NAME = 200  # characters of a model or task
MAX_DETAIL = 32 * 1024


class Call(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One model that was asked on the way, and what that used."""

    model: str
    input_tokens: int = 0  # all input, cached or not
    cache_read_tokens: int = 0  # part of it
    output_tokens: int = 0
    reasoning_tokens: int = 0  # part of the output
    cost_nano_usd: int = 0


class Outcome(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How sure it is that a model's answer was right: from checks, agreement or the strong model's own."""

    model: str
    right: float  # 0..1
    weight: float  # how much that counts, in samples that are sure


class Decided(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One decision. Money is of all calls together.

    ``detail`` is JSON: what was weighed and why, for people and for replay (``routing.decision``).
    """

    task: str
    path: str  # "direct" | "cascade" | "strong" | "stage" | "rule"
    strong: str  # the model that is compared with
    propensity: float  # P(the policy asks first whom it asked first)
    cost_nano_usd: int
    baseline_nano_usd: int  # what the strong model would have cost; 0 where nothing was answered
    detail: bytes = b""
    calls: tuple[Call, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    served_id: str = ""  # of the request whose answer was served, where that is not the one it comes with
    served: str = ""  # the model of it
    served_us: int = 0  # when that one began, unix µs


class DecisionRow(msgspec.Struct, frozen=True):
    """A decision as stored."""

    id: str  # of the request
    time_us: int
    key_id: str
    app: str
    task: str
    path: str
    model: str  # whose answer was served
    strong: str
    propensity: float
    cost_nano_usd: int
    baseline_nano_usd: int
    detail: bytes


class SavingsRow(msgspec.Struct, frozen=True):
    """Sums over the decisions of one group. Saved is ``baseline - cost``; it may be less than nothing."""

    group: str = ""
    requests: int = 0
    cost_nano_usd: int = 0
    baseline_nano_usd: int = 0

    @property
    def saved_nano_usd(self) -> int:
        """What always asking the strong model would have cost more."""
        return self.baseline_nano_usd - self.cost_nano_usd


class LearntRow(msgspec.Struct, frozen=True):
    """What was seen of one model at one type of task on one UTC day."""

    day: int  # since 1970
    task: str
    model: str
    weight: float  # of all that is known of right and wrong
    right: float  # part of it
    calls: int
    input_tokens: int
    cache_read_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_nano_usd: int


DECISION_COLUMNS = DecisionRow.__struct_fields__
LEARNT_KEY = ("day", "task", "model")
LEARNT_SUMS = LearntRow.__struct_fields__[3:]

_decode = msgspec.msgpack.Decoder(Decided).decode
encode = msgspec.msgpack.Encoder().encode


class Rows(NamedTuple):
    """What one batch of records adds to the tables of decisions; empty lists for most."""

    decisions: list[tuple[object, ...]]  # in the order of ``DECISION_COLUMNS``
    learnt: list[tuple[object, ...]]  # in the order of ``LearntRow``; each key once, sorted


def rows(records: Iterable[Record]) -> Rows:
    """The rows of those ``records`` that carry a decision."""
    decisions: list[tuple[object, ...]] = []
    sums: dict[tuple[int, str, str], list[float]] = {}
    for record in records:
        if record.decision:
            decided = _read(record)
            if decided is not None:
                decisions.append(_row(record, decided))
                _learn(sums, record.time_us // DAY_US, decided)
    learnt: list[tuple[object, ...]] = [(*key, *_whole(values)) for key, values in sorted(sums.items())]
    return Rows(decisions, learnt)


def _read(record: Record) -> Decided | None:
    try:
        return _decode(record.decision)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        log.error("the decision of %s can't be read and is left out: %s", record.id, error)
        return None


def _row(record: Record, decided: Decided) -> tuple[object, ...]:
    return (
        _name(decided.served_id) or record.id,
        decided.served_us or record.time_us,
        record.key_id,
        record.app,
        _name(decided.task),
        _name(decided.path),
        _name(decided.served) or record.model,
        _name(decided.strong),
        _share(decided.propensity),
        _within(decided.cost_nano_usd, MAX_COST_NANO_USD),
        _within(decided.baseline_nano_usd, MAX_COST_NANO_USD),
        decided.detail[:MAX_DETAIL],
    )


def _learn(sums: dict[tuple[int, str, str], list[float]], day: int, decided: Decided) -> None:
    task = _name(decided.task)
    for call in decided.calls:
        cell = sums.setdefault((day, task, _name(call.model)), [0.0] * len(LEARNT_SUMS))
        tokens = (call.input_tokens, call.cache_read_tokens, call.output_tokens, call.reasoning_tokens)
        for at, amount in enumerate((1, *(_within(n, MAX_TOKENS) for n in tokens)), start=2):
            cell[at] += amount
        cell[-1] += _within(call.cost_nano_usd, MAX_COST_NANO_USD)
    for outcome in decided.outcomes:
        cell = sums.setdefault((day, task, _name(outcome.model)), [0.0] * len(LEARNT_SUMS))
        weight = _share(outcome.weight) if outcome.right == outcome.right else 0.0
        cell[0] += weight
        cell[1] += weight * _share(outcome.right)


def _whole(values: Sequence[float]) -> tuple[float | int, ...]:
    return (*values[:2], *map(int, values[2:]))


def _share(number: float) -> float:
    """Within 0..1; what is not a number is none: it would stay in every sum."""
    return min(max(number, 0.0), 1.0) if number == number else 0.0


def _name(text: str) -> str:
    return text.replace("\0", "")[:MAX_NAME]


def _within(number: int, most: int) -> int:
    return min(max(number, 0), most)

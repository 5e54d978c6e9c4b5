"""Records with decisions, and what must hold of any store that keeps decisions and verdicts."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tokenworks.errors import StoreError
from tokenworks.ledger import decided
from tokenworks.ledger.decided import Call, Decided, DecisionRow, LearntRow, Outcome, SavingsRow
from tokenworks.ledger.feedback import FeedbackRow
from tokenworks.ledger.record import Record
from tokenworks.ledger.rollups import DAY_US
from tokenworks.ledger.store import Store

START_US = 1_764_000_000_000_000 // DAY_US * DAY_US
DAY = START_US // DAY_US


def told(**more: object) -> Decided:
    """A cascade of two calls of which both were judged."""
    given = {
        "task": "code",
        "path": "cascade",
        "strong": "acme/strong",
        "propensity": 0.75,
        "cost_nano_usd": 300,
        "baseline_nano_usd": 1000,
        "detail": b'{"task":"code"}',
        "calls": (Call("acme/fast", 100, 40, 20, 5, 100), Call("beta/fast", 100, 0, 30, 0, 200)),
        "outcomes": (Outcome("acme/fast", 0.5, 0.5), Outcome("beta/fast", 1.0, 0.25)),
    }
    return Decided(**(given | more))  # type: ignore[arg-type]


def record(number: int, made: Decided | bytes | None = None, *, time_us: int = 0, **more: object) -> Record:
    """A request; ``made`` is how it was decided, None for one by name."""
    time_us = time_us or START_US + number * 1_000_000
    given = {"key_id": "k_1", "app": "app", "model": "acme/fast", "outcome": "ok", "status": 200}
    body = made if isinstance(made, bytes) else decided.encode(made) if made is not None else b""
    return Record(
        f"gen-{time_us // 1_000_000}-{number:08x}",
        time_us,
        decision=body,
        **(given | more),  # type: ignore[arg-type]
    )


def learnt(store: Store) -> dict[tuple[int, str, str], tuple[float, float]]:
    """Weight and right by day, task and model."""
    return {(row.day, row.task, row.model): (row.weight, row.right) for row in store.learnt(0)}


# --- decisions ------------------------------------------------------------------------------------


def a_decision_is_kept_and_learnt_from(store: Store) -> None:
    one, plain = record(1, told()), record(2)
    store.append("w", 1, [one, plain])
    wanted = DecisionRow(
        *(one.id, one.time_us, "k_1", "app", "code", "cascade", "acme/fast", "acme/strong"),
        *(0.75, 300, 1000, b'{"task":"code"}'),
    )
    assert store.decision(one.id) == wanted
    assert store.decision(plain.id) is None
    assert store.generation(plain.id) is not None
    assert store.learnt(DAY) == [
        LearntRow(DAY, "code", "acme/fast", 0.5, 0.25, 1, 100, 40, 20, 5, 100),
        LearntRow(DAY, "code", "beta/fast", 0.25, 0.25, 1, 100, 0, 30, 0, 200),
    ]
    assert store.learnt(DAY + 1) == []
    for name in ("gen-1764000001-nothing", "nonsense", "gen-\ud800-1", "gen-1764000001-\0"):
        assert store.decision(name) is None


def an_answer_of_another_request_is_named(store: Store) -> None:
    """The strong model failed, so the doubted answer before it was served: that one's id and time count."""
    last = record(
        5, told(served_id="gen-1763942401-served", served="beta/fast", served_us=START_US + 1_000_000)
    )
    store.append("w", 1, [last])
    assert store.decision(last.id) is None
    found = store.decision("gen-1763942401-served")
    assert found is not None
    assert (found.model, found.time_us) == ("beta/fast", START_US + 1_000_000)


def the_same_record_twice_counts_once(store: Store) -> None:
    one, other = record(1, told()), record(2, told())
    store.append("w", 1, [one])
    before = learnt(store)
    store.append("w", 2, [one])
    assert learnt(store) == before
    store.append("w", 3, [one, other, other])
    assert learnt(store) == {key: (2 * weight, 2 * right) for key, (weight, right) in before.items()}
    assert [row.id for row in store.decisions(0, 2**62)] == [one.id, other.id]


def what_fails_half_way_leaves_nothing(store: Store) -> None:
    """The journal was read by somebody else meanwhile: neither records nor decisions are there."""
    store.append("w", 7, [])
    with pytest.raises(StoreError, match="read up to"):
        store.append("w", 9, [record(1, told())], since=3)
    assert (store.decisions(0, 2**62), store.learnt(0), store.totals().requests) == ([], [], 0)
    store.append("w", 9, [record(1, told())], since=7)
    assert len(store.decisions(0, 2**62)) == 1


def garbage_is_left_out_and_the_record_kept(store: Store) -> None:
    whole = decided.encode(told())
    bad = [
        b"garbage",
        b"\xc1",
        whole[:-9],
        b"\x90",
        b"\x93\xa1a\xa1b\xa1c",
        whole.replace(b"code", b"co\xffe"),
    ]
    store.append("w", 1, [record(number, body) for number, body in enumerate(bad)] + [record(90, told())])
    assert store.totals().requests == len(bad) + 1
    assert [row.time_us for row in store.decisions(0, 2**62)] == [START_US + 90_000_000]
    assert len(store.learnt(0)) == 2


def hostile_values_fit_their_columns(store: Store) -> None:
    odd = told(
        task="ta\0sk" + "x" * 500,
        strong="\udbff\0strong".encode("utf-8", "replace").decode(),
        propensity=7.0,
        cost_nano_usd=-5,
        baseline_nano_usd=2**63 - 1,
        detail=b"\0\xff" * 40_000,
        calls=(Call("m", -1, 2**62, 2**62, -7, 2**62),) * 3,
        outcomes=(Outcome("m", 9.0, 5.0), Outcome("m", -9.0, -5.0)),
    )
    surrogate = record(2, told(), app="\ud800app", key_id="k\0")
    store.append("w", 1, [record(1, odd), surrogate])
    one, other = store.decisions(0, 2**62)
    assert (one.propensity, one.cost_nano_usd, len(one.detail)) == (1.0, 0, decided.MAX_DETAIL)
    assert one.task.startswith("taskx") and "\0" not in one.task and len(one.task) == decided.MAX_NAME
    assert "app" in other.app
    [cell] = [row for row in store.learnt(0) if row.model == "m"]
    assert (cell.weight, cell.right, cell.calls, cell.input_tokens) == (1.0, 1.0, 3, 0)
    assert store.savings(None)[0].baseline_nano_usd > 0


def pages_come_in_order_and_meet_all_once(store: Store) -> None:
    rng = random.Random(4)
    records = [record(number, told(), time_us=START_US + rng.randrange(5) * 1000) for number in range(40)]
    store.append("w", 1, records)
    order = sorted((each.time_us, each.id) for each in records)
    found: list[DecisionRow] = []
    while page := store.decisions(START_US, START_US + DAY_US, found[-1] if found else None, 7):
        found += page
    assert [(row.time_us, row.id) for row in found] == order
    latest = store.latest_decisions(5)
    assert [(row.time_us, row.id) for row in latest] == order[:-6:-1]
    assert [row.time_us for row in store.decisions(START_US + 1000, START_US + 2000)] == [
        each for each, _ in order if each == START_US + 1000
    ]


def the_oldest_are_pruned_and_what_was_learnt_stays(store: Store) -> None:
    records = [record(number, told()) for number in range(10)]
    store.append("w", 1, records)
    before = store.learnt(0)
    limit_us = START_US + 6_000_000
    assert [store.prune_decisions(limit_us, 4) for _ in range(3)] == [4, 2, 0]
    assert [row.id for row in store.decisions(0, 2**62)] == [each.id for each in records[6:]]
    assert store.learnt(0) == before
    assert store.totals().requests == 10


def savings_are_exact_by_every_group_and_bound(store: Store) -> None:
    rng = random.Random(9)
    records = []
    for number in range(60):
        made = told(
            task=rng.choice(["code", "math"]),
            cost_nano_usd=rng.randrange(1000),
            baseline_nano_usd=rng.randrange(3000),
        )
        time_us = START_US + rng.choice([rng.randrange(3 * DAY_US), rng.randrange(3) * DAY_US])
        more = {"key_id": f"k_{rng.randrange(2)}", "app": rng.choice(["", "a"]), "model": rng.choice("xy")}
        records.append((record(number, made, time_us=time_us, **more), made))
    store.append("w", 1, [each for each, _ in records] + [record(99)])

    def day(time_us: int) -> str:
        return datetime.fromtimestamp(time_us / 1e6, UTC).date().isoformat()

    groups: dict[str | None, Callable[[Record, Decided], str]] = {
        None: lambda r, d: "",
        "model": lambda r, d: r.model,
        "key": lambda r, d: r.key_id,
        "app": lambda r, d: r.app,
        "day": lambda r, d: day(r.time_us),
        "task": lambda r, d: d.task,
    }
    edge = records[30][0].time_us
    for since, until in (
        (None, None),
        (edge, None),
        (None, edge),
        (START_US + DAY_US, START_US + 2 * DAY_US),
        (9, 9),
    ):
        for by, group in groups.items():
            sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
            for each, made in records:
                if (since is None or each.time_us >= since) and (until is None or each.time_us < until):
                    for at, amount in enumerate((1, made.cost_nano_usd, made.baseline_nano_usd)):
                        sums[group(each, made)][at] += amount
            wanted = [SavingsRow(name, *values) for name, values in sorted(sums.items())]
            assert store.savings(by, since, until) == wanted, (by, since, until)
    assert wanted == [] and store.savings(None)[0].saved_nano_usd == sum(
        made.baseline_nano_usd - made.cost_nano_usd for _, made in records
    )
    with pytest.raises(ValueError, match="savings by 'provider'"):
        store.savings("provider")


# --- verdicts -------------------------------------------------------------------------------------


def verdict(number: int = 1, score: float = 1.0, **more: object) -> FeedbackRow:
    given = {"key_id": "k_1", "model": "acme/fast", "task": "code", "label": "", "comment": ""}
    time_us = int(more.pop("time_us", START_US + number))  # type: ignore[call-overload]
    name = f"gen-{START_US // 1_000_000 + number}-{number:08x}"
    return FeedbackRow(name, time_us, score=score, **(given | more))  # type: ignore[arg-type]


def the_last_verdict_stands_and_is_learnt(store: Store) -> None:
    one = verdict(score=1.0, label="good", comment="fine")
    assert store.put_feedback(one) is None
    assert store.feedback_of(one.id) == one
    assert learnt(store) == {(DAY, "code", "acme/fast"): (1.0, 1.0)}
    other = verdict(score=0.25, time_us=START_US + 9)
    assert store.put_feedback(other) == one
    assert store.feedback_of(one.id) == other
    assert learnt(store) == {(DAY, "code", "acme/fast"): (1.0, 0.25)}
    assert store.put_feedback(other) == other, "said twice"
    assert learnt(store) == {(DAY, "code", "acme/fast"): (1.0, 0.25)}


def a_verdict_joins_what_was_learnt_already(store: Store) -> None:
    store.append("w", 1, [record(1, told())])
    store.put_feedback(verdict(1, 0.0))
    assert learnt(store)[DAY, "code", "acme/fast"] == (1.5, 0.25)
    [cell] = [row for row in store.learnt(0) if row.model == "acme/fast"]
    assert (cell.calls, cell.output_tokens) == (1, 20)


def nothing_is_learnt_without_a_task(store: Store) -> None:
    store.put_feedback(verdict(1, 1.0, task=""))
    assert (learnt(store), store.feedback_of(verdict(1).id)) == ({}, verdict(1, 1.0, task=""))
    store.put_feedback(verdict(1, 1.0))
    assert learnt(store) == {(DAY, "code", "acme/fast"): (1.0, 1.0)}
    store.put_feedback(verdict(1, 1.0, task="math"))
    assert learnt(store)[DAY, "code", "acme/fast"] == (0.0, 0.0)
    assert learnt(store)[DAY, "math", "acme/fast"] == (1.0, 1.0)


def it_counts_on_the_day_of_the_request(store: Store) -> None:
    store.put_feedback(verdict(1, 1.0, time_us=START_US + 5 * DAY_US))
    assert list(learnt(store)) == [(DAY, "code", "acme/fast")]


def any_verdict_can_be_kept(store: Store) -> None:
    odd = FeedbackRow(
        *("gen-1-\0\ud800", -5, "k\0", "m\ud800", "t\0", 7.0),
        label="l" * 500,
        comment="\0\ud800" * 2000,
    )
    store.put_feedback(odd)
    store.put_feedback(verdict(2, float("nan")))
    found = store.feedback(0, 2**62)
    assert [row.score for row in found] == [1.0, 0.0]
    assert (found[0].time_us, len(found[0].label), len(found[0].comment)) == (0, 64, 2000)
    assert store.feedback_of(found[0].id) == found[0]
    assert store.feedback_of("\ud800") is None and store.feedback_of("none") is None


def verdicts_come_in_pages(store: Store) -> None:
    rows = [verdict(number, 0.5, time_us=START_US + number % 3) for number in range(20)]
    for row in rows:
        store.put_feedback(row)
    found: list[FeedbackRow] = []
    while page := store.feedback(START_US, START_US + 2, found[-1] if found else None, 4):
        found += page
    wanted = sorted((row.time_us, row.id) for row in rows if row.time_us < START_US + 2)
    assert [(row.time_us, row.id) for row in found] == wanted


def verdicts_given_at_once_are_one(store: Store) -> None:
    """Whoever comes last stands, and the sums are those of what stands."""
    scores = [0.0, 0.25, 0.5, 1.0]

    def give(score: float) -> None:
        for _ in range(8):
            store.put_feedback(verdict(1, score))
            store.put_feedback(verdict(2, 1 - score))

    threads = [threading.Thread(target=give, args=(score,)) for score in scores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stands = store.feedback(0, 2**62)
    assert len(stands) == 2
    assert learnt(store) == {(DAY, "code", "acme/fast"): (2.0, sum(row.score for row in stands))}


DECISIONS = (
    a_decision_is_kept_and_learnt_from,
    an_answer_of_another_request_is_named,
    the_same_record_twice_counts_once,
    what_fails_half_way_leaves_nothing,
    garbage_is_left_out_and_the_record_kept,
    hostile_values_fit_their_columns,
    pages_come_in_order_and_meet_all_once,
    the_oldest_are_pruned_and_what_was_learnt_stays,
    savings_are_exact_by_every_group_and_bound,
)
VERDICTS = (
    the_last_verdict_stands_and_is_learnt,
    a_verdict_joins_what_was_learnt_already,
    nothing_is_learnt_without_a_task,
    it_counts_on_the_day_of_the_request,
    any_verdict_can_be_kept,
    verdicts_come_in_pages,
    verdicts_given_at_once_are_one,
)

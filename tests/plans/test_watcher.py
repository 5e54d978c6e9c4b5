import json
from itertools import pairwise
from pathlib import Path
from random import Random

import msgspec
import pytest

from tokenworks.ledger.limit_rows import ActionRow
from tokenworks.ledger.record import Record
from tokenworks.ledger.sqlite import SqliteStore
from tokenworks.plans.fair_use.trail import KEEP
from tokenworks.plans.spec import FairUse, PlanSpec
from tokenworks.plans.watcher import BAND, CONFIRM_US, HOUR_US, LOOK_US, Watcher

DAY_US = 24 * HOUR_US
START = 20_000 * DAY_US
S = 1_000_000


def plan(action: str = "slow", **more: object) -> PlanSpec:
    return PlanSpec(
        "flat", clients=("desk/*",), fair_use=msgspec.convert({"action": action, **more}, FairUse)
    )


def bot(start_us: int, hours: float, key: str = "k_bot", every_s: int = 60) -> list[Record]:
    return [
        Record(f"gen-{at}-{key}", at, key, "runner/1", f"s{at}", uncached_input_tokens=900, output_tokens=100,
               latency_us=2 * S, finish_reason="stop", outcome="ok")
        for at in range(start_us, start_us + int(hours * HOUR_US), every_s * S)
    ]  # fmt: skip


def person(start_us: int, key: str = "k_person") -> list[Record]:
    rng, found, at, tokens = Random(3), [], start_us + 9 * HOUR_US, 500
    for _ in range(60):
        found.append(
            Record(f"gen-{at}-p", at, key, "desk/1", "a", uncached_input_tokens=tokens, output_tokens=300,
                   latency_us=5 * S, finish_reason="stop", outcome="ok")
        )  # fmt: skip
        at += int(rng.lognormvariate(4.5, 1.2) * S)
        tokens += 700
    return found


def run(watcher: Watcher, records: list[Record], until_us: int) -> tuple[list[ActionRow], list[str]]:
    """Play the records, reviewing each ten minutes."""
    actions, notes, at = [], [], 0
    records = sorted(records, key=lambda one: one.time_us)
    for now in range(START, until_us + 1, LOOK_US):
        batch = []
        while at < len(records) and records[at].time_us <= now:
            batch.append(records[at])
            at += 1
        watcher.observe(batch)
        found = watcher.review(now)
        actions += found.actions
        notes += [note.key_id for note in found.notes]
    return actions, notes


def test_a_bot_is_acted_on_once_and_a_person_never() -> None:
    watcher = Watcher({"k_bot": plan(), "k_person": plan()})
    actions, notes = run(watcher, bot(START, 24) + person(START), START + 24 * HOUR_US)
    (action,) = actions
    assert (action.key_id, action.action, notes) == ("k_bot", "slow", [])
    assert action.until_us == action.since_us + DAY_US
    reasons = json.loads(action.reasons)
    assert reasons[0].startswith("score 0.") or reasons[0].startswith("score 1.")
    assert "requests an hour in" in reasons[1]
    assert 3 <= len(reasons) <= 5


def test_it_is_done_again_when_its_time_is_over_and_nothing_changed() -> None:
    watcher = Watcher({"k_bot": plan(hours=6)})
    actions, _ = run(watcher, bot(START, 48), START + 48 * HOUR_US)
    assert len(actions) >= 3
    for before, after in pairwise(actions):
        assert before.until_us is not None and after.since_us >= before.until_us


def test_observe_does_nothing_but_tell() -> None:
    watcher = Watcher({"k_bot": plan("observe")})
    actions, notes = run(watcher, bot(START, 24), START + 24 * HOUR_US)
    assert actions == [] and notes == ["k_bot"]


def test_keys_whose_plan_has_no_fair_use_are_not_even_kept() -> None:
    watcher = Watcher({"k_bot": PlanSpec("flat")})
    assert run(watcher, bot(START, 24), START + 24 * HOUR_US) == ([], [])
    assert watcher.look("k_bot", START + DAY_US) is None
    watcher.watch({"k_bot": plan()})
    watcher.observe(bot(START, 24))
    assert watcher.look("k_bot", START + DAY_US) is not None
    watcher.watch({})
    assert watcher.look("k_bot", START + DAY_US) is None


def test_refusals_failures_and_embeddings_are_nobodys_doing() -> None:
    watcher = Watcher({"k_bot": plan()})
    for change in ({"outcome": "denied"}, {"outcome": "upstream_error"}, {"kind": "embeddings"}):
        watcher.observe([msgspec.structs.replace(record, **change) for record in bot(START, 24)])
    assert watcher.look("k_bot", START + DAY_US) is None


def test_one_high_look_is_not_enough_and_around_the_threshold_nothing_flaps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The score is played here; all else is real."""
    watcher = Watcher({"k_bot": plan("observe", threshold=0.8, hours=1)})
    found = []
    values: dict[int, float] = {}
    real = Watcher.look

    def look(self: Watcher, key_id: str, now_us: int) -> object:
        verdict = real(self, key_id, now_us)
        assert verdict is not None
        return msgspec.structs.replace(verdict, value=values[now_us], enough=True)

    monkeypatch.setattr(Watcher, "look", look)

    def play(*scores: float) -> list[bool]:
        told = []
        for value in scores:
            now = START + LOOK_US * (1 + len(found))
            values[now] = value
            watcher.observe(bot(now - S, 1e-6))
            told.append(bool(watcher.review(now).notes))
            found.append(told[-1])
        return told

    assert not any(play(0.9, 0.1, 0.9, 0.9, 0.1, 0.9, 0.5, 0.9))  # never up for half an hour
    assert CONFIRM_US == 3 * LOOK_US
    play(0.1)
    assert play(0.9, 0.81, 0.75, 0.81) == [False, False, False, True]  # within the band is not down
    assert not any(play(0.79, 0.81, 0.79, 0.81))  # told once
    play(0.8 - BAND - 0.01)
    assert play(0.9, 0.9, 0.9, 0.9) == [False, False, False, True]


def test_a_review_looks_at_no_key_twice_in_ten_minutes_and_at_few_requests_at_once() -> None:
    keys = [f"k_{n}" for n in range(8)]
    watcher = Watcher({key: plan("observe", hours=0) for key in keys})
    for key in keys:
        watcher.observe(bot(START, 24, key, 50))
    now, told = START + DAY_US, []
    for step in range(40):
        watcher.observe([record for key in keys for record in bot(now + step * LOOK_US // 10, 1e-6, key)])
        told.append([note.key_id for note in watcher.review(now + step * LOOK_US // 10).notes])
    assert sorted({key for each in told for key in each}) == keys  # everybody had a turn
    assert max(map(len, told)) <= 3


def test_memory_is_bounded() -> None:
    watcher = Watcher({"k_bot": plan()})
    watcher.observe(bot(START, 24, every_s=10))
    assert len(watcher._keys["k_bot"].trail) <= KEEP + KEEP // 4
    verdict = watcher.look("k_bot", START + DAY_US - 1)
    assert verdict is not None and any(
        "360 requests an hour in 24 of 24 hours" in one for one in verdict.reasons
    )


def test_after_a_restart_the_day_before_counts_but_not_what_led_to_an_action() -> None:
    now, records = START + DAY_US, bot(START, 24)
    fresh = Watcher({"k_bot": plan()})
    fresh.load(records)
    verdict = fresh.look("k_bot", now)
    assert verdict is not None and verdict.value > 0.9
    for until in (now - HOUR_US, now + HOUR_US, None):  # over, standing, without an end
        again = Watcher({"k_bot": plan()})
        again.load(records, [ActionRow("k_bot", "slow", "[]", now - HOUR_US // 4, until)])
        verdict = again.look("k_bot", now)
        assert verdict is not None and not verdict.enough
    later = bot(now, 24)
    again.observe(later)
    assert again.review(now + DAY_US).actions == [] == again.review(now + DAY_US + HOUR_US).actions


def test_an_action_is_kept_lifted_and_not_done_again_for_the_same_reasons(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "db"), durable=False)
    store.migrate()
    watcher = Watcher({"k_bot": plan()})
    actions, _ = run(watcher, bot(START, 24), START + 24 * HOUR_US)
    store.set_action(actions[0], actor="tokenworks")
    assert store.actions() == actions
    assert store.lift_action("k_bot", actor="cli:root")
    assert store.actions() == []
    now = START + 24 * HOUR_US
    watcher.lifted("k_bot", now)
    verdict = watcher.look("k_bot", now)
    assert verdict is not None and not verdict.enough
    assert [entry.target for entry in store.audit(target="k_bot")] == ["k_bot", "k_bot"]
    store.close()

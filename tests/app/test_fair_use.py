"""Fair use on a running store: what was used becomes an action or a note, once, and can be taken back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from limiting import subscribe

from tokenworks.app.caretaker import Caretaker
from tokenworks.app.fair_use import LAG_US, FairUseWatch
from tokenworks.ledger.limit_rows import ActionRow
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import Store, open_store
from tokenworks.plans import keys
from tokenworks.plans.spec import FairUse, PlanSpec

PEPPER = b"p" * 32
START_US = 1_795_000_000_000_000 // 86_400_000_000 * 86_400_000_000
MINUTE_US = 60_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = open_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    made.migrate()
    yield made
    made.close()


def plan(action: str) -> PlanSpec:
    return PlanSpec(name="flat", price_usd=20, fair_use=FairUse(action=action, threshold=0.6))  # type: ignore[arg-type]


class Robot:
    """A key that is used all day and night: a request each twenty seconds, tools in every one."""

    def __init__(self, store: Store, key_id: str) -> None:
        self.store, self.key_id, self.made = store, key_id, 0

    def works(self, since_us: int, until_us: int) -> None:
        records = []
        for time_us in range(since_us, until_us, MINUTE_US // 3):
            self.made += 1
            records.append(
                Record(
                    id=f"gen-{time_us // 1_000_000}-{self.made}",
                    time_us=time_us,
                    key_id=self.key_id,
                    session=f"s{self.made // 200}",
                    model="acme/fast",
                    provider="acme",
                    status=200,
                    outcome="ok",
                    finish_reason="tool_calls",
                    uncached_input_tokens=1000 + self.made % 200 * 300,
                    output_tokens=200,
                    latency_us=4_000_000,
                )
            )
        self.store.append("w.1.x", self.made, records)


def run(store: Store, robot: Robot, watch: FairUseWatch, hours: int = 12) -> None:
    for hour in range(hours):
        since_us = START_US + hour * 60 * MINUTE_US
        robot.works(since_us, since_us + 60 * MINUTE_US)
        watch.look(since_us + 60 * MINUTE_US + LAG_US)


def test_automation_on_a_flat_plan_is_acted_on_once_and_can_be_taken_back(store: Store) -> None:
    robot_key, _ = keys.create(store, "robot", PEPPER)
    other_key, _ = keys.create(store, "metered robot", PEPPER)
    subscribe(store, robot_key, plan("slow"))
    watch = FairUseWatch(store)
    run(store, Robot(store, robot_key), watch)
    (action,) = store.actions()
    assert (action.key_id, action.action) == (robot_key, "slow")
    assert any("hours" in reason for reason in json.loads(action.reasons))
    acts = [entry for entry in store.audit(target=robot_key) if entry.action == "fair_use.act"]
    assert len(acts) == 1 and acts[0].actor == "tokenworks"
    run(store, Robot(store, other_key), FairUseWatch(store), hours=2)
    assert len(store.actions()) == 1
    assert store.lift_action(robot_key)
    watch.look(START_US + 13 * 60 * MINUTE_US)
    assert store.actions() == []  # what led to it does not count again


def test_observing_acts_on_nobody(store: Store) -> None:
    key_id, _ = keys.create(store, "robot", PEPPER)
    subscribe(store, key_id, plan("observe"))
    run(store, Robot(store, key_id), FairUseWatch(store))
    assert store.actions() == []
    (note,) = [entry for entry in store.audit(target=key_id) if entry.action == "fair_use.observe"]
    assert json.loads(note.detail)["score"] >= 0.6


def test_a_restart_knows_the_last_day(store: Store) -> None:
    key_id, _ = keys.create(store, "robot", PEPPER)
    subscribe(store, key_id, plan("suspend"))
    robot = Robot(store, key_id)
    robot.works(START_US, START_US + 24 * 60 * MINUTE_US)
    watch = FairUseWatch(store)
    for minute in range(24 * 60, 25 * 60 + 30, 10):
        robot.works(START_US + minute * MINUTE_US, START_US + (minute + 10) * MINUTE_US)
        watch.look(START_US + (minute + 10) * MINUTE_US + LAG_US)
    assert [action.action for action in store.actions()] == ["suspend"]


def test_a_restart_remembers_what_was_taken_back(store: Store) -> None:
    key_id, _ = keys.create(store, "robot", PEPPER)
    subscribe(store, key_id, plan("slow"))
    begun_us = time.time_ns() // 1000 - 12 * 60 * MINUTE_US
    robot = Robot(store, key_id)
    robot.works(begun_us, begun_us + 11 * 60 * MINUTE_US)
    store.set_action(ActionRow(key_id, "slow", "[]", begun_us))
    assert store.lift_action(key_id)  # now, which is after all that
    watch = FairUseWatch(store)
    for minute in range(0, 60, 10):
        watch.look(time.time_ns() // 1000 + minute * MINUTE_US)
    assert store.actions() == []


def test_the_caretaker_works_where_there_is_nothing_to_do(store: Store) -> None:
    caretaker = Caretaker(store)
    caretaker.work(START_US)
    assert store.actions() == [] and store.audit() == []

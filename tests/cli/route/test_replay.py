"""``route replay`` on a store with decisions: an estimate, a verdict, and refusals that say what to do."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tokenworks.cli import main as program
from tokenworks.cli.route.replay import POLICIES, replay
from tokenworks.errors import ConfigError
from tokenworks.ledger import decided
from tokenworks.ledger.decided import Decided
from tokenworks.ledger.feedback import FeedbackRow
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import open_store
from tokenworks.routing import decision as decision_of
from tokenworks.routing.decision import Candidate, Decision, Step
from tokenworks.routing.difficulty import SHIPPED
from tokenworks.routing.study import replay as study

CANDIDATES = (("acme/fast", 0.9, 0.001, 0.5), ("acme/strong", 0.95, 0.03, 0.5))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    assert CliRunner().invoke(program, ["--home", str(tmp_path), "init"]).exit_code == 0
    return tmp_path


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(replay, ["--home", str(home), *arguments])


def fill(
    home: Path, count: int, *, days: float = 1.0, tried: float = 0.5, garbage: int = 0, vector: str = ""
) -> list[str]:
    """``count`` decisions among two models, of which the cheap one is asked first in the share ``tried``."""
    rng = random.Random(7)
    store = open_store(f"sqlite:///{home / 'tokenworks.db'}")
    store.migrate()
    records = []
    start_us = time.time_ns() // 1000 - int(days * 86_400_000_000)
    for number in range(count):
        at = 0 if rng.random() < tried else 1
        name, right, cost, _ = CANDIDATES[at]
        candidates = tuple(
            Candidate(each, right, cost, propensity=(tried, 1 - tried)[i])
            for i, (each, right, cost, _) in enumerate(CANDIDATES)
        )
        told = Decision(
            *("code", "cascade", "acme/strong", "because", candidates),
            (Step(name, f"{number}", "accepted", right=right),),
            served=name,
            vector=vector,
        )
        nano = int(cost * rng.uniform(0.5, 1.5) * 1e9)
        detail = decision_of.encode(told) if number >= garbage else b"garbage"
        made = Decided("code", "cascade", "acme/strong", 0.5, nano, 30_000_000, detail)
        time_us = start_us + number * 1000
        records.append(
            Record(f"gen-{time_us // 1_000_000}-{number}", time_us, model=name, decision=decided.encode(made))
        )
    store.append("w", 1, records)
    store.close()
    return [record.id for record in records]


def test_a_better_policy_is_told_to_go_live(home: Path) -> None:
    fill(home, 400, garbage=3)
    found = json.loads(run(home, "--policy", "quality", "--quality", "0.9", "--json").stdout)
    assert (found["policy"], found["decisions"], found["left_out"]) == ("quality", 397, 3)
    assert found["cost_usd"]["value"] == pytest.approx(0.001, rel=0.1)
    assert found["cost_change_usd"]["high"] < 0
    shown = run(home, "--policy", "cheapest").stdout
    assert "change of cost" in shown and "397 decisions (3 left out)" in shown
    dear = json.loads(run(home, "--policy", "quality", "--quality", "1", "--json").stdout)
    assert dear["cost_usd"]["value"] == pytest.approx(0.03, rel=0.1)


def test_people_know_better_than_checks(home: Path) -> None:
    ids = fill(home, 400)
    store = open_store(f"sqlite:///{home / 'tokenworks.db'}")
    for name in ids:
        store.put_feedback(FeedbackRow(name, time.time_ns() // 1000, "k", "acme/fast", "", 0.0))
    store.close()
    found = json.loads(run(home, "--policy", "cheapest", "--json").stdout)
    assert found["right"]["value"] < 0.05


def test_too_little_is_refused_with_what_to_do(home: Path) -> None:
    fill(home, 20)
    few = run(home, "--policy", "cheapest")
    assert few.exit_code == 0
    assert "refused: 20 decisions; at least 100 are needed: give a longer --since" in few.stdout
    assert "estimate" not in few.stdout


def test_only_the_span_that_is_asked_for_counts(home: Path) -> None:
    fill(home, 300, days=10)
    assert json.loads(run(home, "--policy", "strong", "--json").stdout)["decisions"] == 0
    assert json.loads(run(home, "--policy", "strong", "--since", "2w", "--json").stdout)["decisions"] == 300


def test_a_policy_never_tried_is_refused(home: Path) -> None:
    fill(home, 300, tried=0.0)
    assert "explore more first" in run(home, "--policy", "cheapest").stdout


def test_other_weights_are_asked_in_place_of_what_was_predicted(home: Path, tmp_path: Path) -> None:
    (tmp_path / "none.npz").write_bytes(b"no weights")
    broken = run(home, "--policy", "quality", "--weights", str(tmp_path / "none.npz"))
    assert isinstance(broken.exception, ConfigError)
    if not SHIPPED.exists():
        pytest.skip("no weights are shipped yet: tokenworks route train")
    fill(home, 300, vector=decision_of.packed(np.ones(64, np.float32) / 8))
    found = run(home, "--policy", "quality", "--weights", str(SHIPPED), "--json")
    assert json.loads(found.stdout)["verdict"] != "refused"


def test_wrong_options_are_told(home: Path, tmp_path: Path) -> None:
    assert run(home, "--policy", "best").exit_code == 2
    assert run(home, "--quality", "2").exit_code == 2
    assert run(home, "--since", "soon").exit_code == 2
    assert run(home, "--weights", str(tmp_path / "none")).exit_code == 2
    assert POLICIES == study.POLICIES

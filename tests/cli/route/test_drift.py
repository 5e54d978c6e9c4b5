"""``route drift`` on a store with decisions."""

from __future__ import annotations

import json
import time
from pathlib import Path

from click.testing import CliRunner, Result

from tokenworks.cli import main as program
from tokenworks.cli.route.drift import DAY_US, drift
from tokenworks.ledger import decided
from tokenworks.ledger.decided import Decided
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import open_store
from tokenworks.routing import decision as decision_of
from tokenworks.routing.decision import Decision, Step


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(drift, ["--home", str(home), *arguments])


def test_alarms_as_a_table_and_as_json(tmp_path: Path) -> None:
    assert CliRunner().invoke(program, ["--home", str(tmp_path), "init"]).exit_code == 0
    assert run(tmp_path).stdout == "nothing changed that 0 decisions would show\n"
    store = open_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    store.migrate()
    today = time.time_ns() // 1000 // DAY_US
    for day in range(today - 9, today + 1):
        records = []
        for number in range(60):
            changed = day >= today - 1
            step = Step("a", "1", "accepted", agrees=float(number % 10 < (2 if changed else 8)))
            told = Decision("code", "cascade", "s", "", steps=(step,))
            cost = 4_000_000 if changed else 2_000_000 + number * 1000
            made = Decided("code", "cascade", "s", 1.0, cost, 9, decision_of.encode(told))
            time_us = day * DAY_US + number
            name = f"gen-{time_us // 1_000_000}-{day}-{number}"
            records.append(Record(name, time_us, decision=decided.encode(made)))
        store.append(f"w{day}", 1, records)
    store.close()
    found = json.loads(run(tmp_path, "--json").stdout)
    assert found["decisions"] == 600
    assert {(alarm["task"], alarm["measure"]) for alarm in found["alarms"]} == {
        ("code", "agreement"),
        ("code", "cost"),
    }
    shown = run(tmp_path).stdout
    assert "80.0%" in shown and "20.0%" in shown and "$0.004000" in shown

"""What the ledger says, from the command line, also after the server was killed."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tokenworks.cli import main
from tokenworks.cli.usage import BY
from tokenworks.ledger.store import BY as STORED_BY

WORKER = """
import sys, time
from pathlib import Path
from tokenworks.ledger.journal import Journal
from tokenworks.ledger.record import Record

journal = Journal(Path(sys.argv[1]) / "journal", "w0-test")
for number in range(5):
    journal.append(Record(
        id=f"gen-1-{number}", time_us=1_700_000_000_000_000, key_id="k_1", app="app", outcome="ok",
        status=200, model="me/small" if number else "me/big", provider="acme", uncached_input_tokens=100,
        cache_read_tokens=20, output_tokens=7, cost_nano_usd=1_500_000,
    ))
print("written", flush=True)
time.sleep(60)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    assert CliRunner().invoke(main, ["init", "--home", str(tmp_path)]).exit_code == 0
    return tmp_path


def worker(home: Path) -> subprocess.Popen[str]:
    """A worker that has answered five requests, none of them in the store yet."""
    (home / "journal").mkdir()
    command = [sys.executable, "-c", WORKER, str(home)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    return process


def usage(home: Path, *arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(main, ["usage", "--home", str(home), "--json", *arguments])
    assert result.exit_code == 0, result.output
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def test_nothing_yet(home: Path) -> None:
    auto = {"requests": 0, "cost_usd": 0.0, "always_strong_usd": 0.0}
    sums = {"requests": 0, "input_tokens": 0, "output_tokens": 0, "cost_usd": 0.0, "saved_usd": 0.0}
    assert usage(home) == {**sums, "auto": auto, "rows": []}
    shown = CliRunner().invoke(main, ["usage", "--home", str(home)]).stdout
    assert shown == "nothing was used yet; tokenworks chat sends a first request\n"


def test_what_a_killed_server_left_is_counted_once(home: Path) -> None:
    with worker(home) as process:
        process.send_signal(signal.SIGKILL)
    for _ in range(2):
        report = usage(home)
        assert (report["requests"], report["input_tokens"], report["output_tokens"]) == (5, 600, 35)
        assert report["cost_usd"] == pytest.approx(0.0075, rel=1e-12)
        assert {row["model"]: row["requests"] for row in report["rows"]} == {"me/small": 4, "me/big": 1}
    for by in BY:
        rows = usage(home, "--by", by)["rows"]
        assert sum(row["requests"] for row in rows) == 5
        assert sum(row["cost_usd"] for row in rows) == pytest.approx(0.0075, rel=1e-12)
        assert all(by in row for row in rows)


def test_a_living_workers_journal_is_left_to_its_server(home: Path) -> None:
    with worker(home) as process:
        assert usage(home)["requests"] in (0, 5)
        assert list((home / "journal").glob("*.journal"))
        process.kill()
    assert usage(home)["requests"] == 5


def test_the_table_shows_the_same(home: Path) -> None:
    with worker(home) as process:
        process.kill()
    lines = CliRunner().invoke(main, ["usage", "--home", str(home)]).stdout.splitlines()
    assert lines[0].split() == [
        "model",
        "requests",
        "errors",
        "input",
        "cached",
        "output",
        "reasoning",
        "cost",
    ]
    assert lines[1].split() == ["me/small", "4", "0", "480", "80", "28", "0", "$0.006000"]
    assert lines[-1] == "5 requests, 600 tokens in, 35 out, $0.007500"


def test_another_by_is_refused_with_those_there_are(home: Path) -> None:
    assert BY == STORED_BY
    result = CliRunner().invoke(main, ["usage", "--home", str(home), "--by", "weather"])
    assert result.exit_code == 2
    assert "'model', 'key', 'app', 'provider', 'day'" in result.stderr

"""The kill switch."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tokenworks.cli import main


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = tmp_path / "home"
    assert CliRunner().invoke(main, ["--home", str(place), "key", "create", "alice"]).exit_code == 0
    return place


def invoke(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), "session", *arguments])


def test_stopped_listed_resumed(home: Path) -> None:
    assert "no session is stopped" in invoke(home, "list").stdout
    assert invoke(home, "stop", "s1").stdout == "stopped s1\n"
    assert invoke(home, "stop", "s2", "--key", "alice").exit_code == 0
    rows = json.loads(invoke(home, "list", "--json").stdout)["sessions"]
    assert [each["session"] for each in rows] == ["s1", "s2"]
    key_id = rows[1]["key"]
    assert rows[0]["key"] is None
    assert key_id in invoke(home, "list").stdout
    wrong = invoke(home, "resume", "s2")
    assert (wrong.exit_code, f"give --key {key_id}" in wrong.stderr) == (1, True)
    assert invoke(home, "resume", "s2", "--key", "alice").stdout == "resumed s2\n"
    assert invoke(home, "resume", "s1").exit_code == 0
    assert "session list" in invoke(home, "resume", "s1").stderr
    assert json.loads(invoke(home, "list", "--json").stdout) == {"sessions": []}


def test_mistakes(home: Path) -> None:
    assert invoke(home, "stop", "a\nb").exit_code == 2
    assert invoke(home, "stop", " ").exit_code == 2
    assert invoke(home, "stop", "s1", "--key", "bob").exit_code == 1

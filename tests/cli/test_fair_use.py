"""What is done about keys, ordered and lifted by hand."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tokenworks.cli import main


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = tmp_path / "home"
    assert CliRunner().invoke(main, ["--home", str(place), "key", "create", "alice"]).exit_code == 0
    return place


def invoke(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), "fair-use", *arguments])


def listed(home: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(invoke(home, "list", "--json").stdout)["actions"]
    return found


def test_ordered_listed_lifted(home: Path) -> None:
    assert "nothing is done" in invoke(home, "list").stdout
    assert invoke(home, "act", "alice", "slow", "--for", "24h").stdout.startswith("slow: k_")
    (one,) = listed(home)
    assert (one["name"], one["action"], one["active"]) == ("alice", "slow", True)
    assert one["until"] > one["since"]
    assert invoke(home, "act", "alice", "suspend", "--reason", "shared ü").exit_code == 0
    (one,) = listed(home)
    assert (one["action"], one["reasons"], one["until"]) == ("suspend", ["shared ü"], None)
    assert "shared ü" in invoke(home, "list").stdout
    assert invoke(home, "lift", one["key"]).stdout == f"lifted what was done about {one['key']}\n"
    assert listed(home) == []
    again = invoke(home, "lift", "alice")
    assert (again.exit_code, "fair-use list" in again.stderr) == (1, True)


def test_mistakes(home: Path) -> None:
    for arguments, status in (
        (("act", "alice", "shout"), 2),
        (("act", "alice", "observe"), 2),
        (("act", "bob", "slow"), 1),
        (("act", "alice", "slow", "--for", "long"), 2),
        (("lift", "bob"), 1),
    ):
        assert invoke(home, *arguments).exit_code == status, arguments
    assert listed(home) == []

"""Teams from the command line."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tokenworks.cli import main


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = tmp_path / "home"
    assert invoke(place, "key", "create", "alice").exit_code == 0
    return place


def invoke(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), *arguments])


def told(home: Path, *arguments: str) -> Any:
    result = invoke(home, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_team_from_its_making_to_its_end(home: Path) -> None:
    made = told(
        home,
        "team",
        "create",
        "research",
        "--budget",
        "500/month",
        "--timezone",
        "Europe/Berlin",
        "--models",
        "a/*",
    )
    assert set(made) == {"id", "name"}
    (shown,) = told(home, "team", "list")["teams"]
    assert (shown["id"], shown["rules"], shown["keys"]) == (made["id"], {"models": ["a/*"]}, 0)
    assert [(each["amount"], each["timezone"]) for each in shown["limits"]] == [(500.0, "Europe/Berlin")]
    result = invoke(home, "team", "add-key", "research", "alice")
    assert result.stdout.endswith("alice is in research\n")
    assert told(home, "key", "show", "alice")["team"]["id"] == made["id"]
    text = invoke(home, "team", "list").stdout
    assert "$500.00/month Europe/Berlin" in text
    changed = told(home, "team", "update", "research", "--budget", "800/month", "--max-iterations", "9")
    assert [each["amount"] for each in changed["limits"]] == [800.0]
    assert changed["rules"] == {"models": ["a/*"], "loops": {"iterations": 9}}
    assert told(home, "team", "update", made["id"], "--name", "science", "--models", "none")["rules"] == {
        "loops": {"iterations": 9}
    }
    assert invoke(home, "team", "remove", "science").stdout == "removed science\n"
    assert told(home, "key", "show", "alice")["team"] is None
    assert told(home, "budget", "list") == {"budgets": []}
    assert "tokenworks team create" in invoke(home, "team", "list").stdout


def test_keys_leave(home: Path) -> None:
    told(home, "team", "create", "research")
    told(home, "team", "create", "sales")
    invoke(home, "key", "create", "bob", "--role", "manager", "--team", "research")
    invoke(home, "team", "add-key", "research", "alice")
    wrong = invoke(home, "team", "remove-key", "sales", "alice")
    assert (wrong.exit_code, "is not in sales" in wrong.stderr) == (1, True)
    manager = invoke(home, "team", "remove-key", "research", "alice", "bob")
    assert (manager.exit_code, "manages research" in manager.stderr) == (1, True)
    assert told(home, "key", "show", "alice")["team"]["name"] == "research", "all or none"
    assert invoke(home, "team", "remove-key", "research", "alice").stdout.endswith("alice is in no team\n")
    assert told(home, "key", "show", "alice")["team"] is None


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("create", "research"), 1, "there is a team called research"),
        (("create", "a\nb"), 2, "printable"),
        (("create", "x", "--budget", "much"), 2, "--budget"),
        (("update", "research"), 2, "nothing to change"),
        (("update", "sales", "--name", "x"), 1, "team list"),
        (("update", "research", "--name", "other"), 1, "take another"),
        (("remove", "sales"), 1, "team list"),
        (("add-key", "research", "bob"), 1, "key list"),
        (("add-key", "sales", "alice"), 1, "team list"),
        (("add-key", "research"), 2, "KEY"),
    ],
)
def test_mistakes(home: Path, arguments: tuple[str, ...], status: int, said: str) -> None:
    told(home, "team", "create", "research")
    told(home, "team", "create", "other")
    result = invoke(home, "team", *arguments)
    assert result.exit_code == status, result.output
    assert said in " ".join(result.stderr.split())
    assert len(told(home, "team", "list")["teams"]) == 2

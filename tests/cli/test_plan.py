"""Plans and wallets from the command line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tokenworks.cli import main
from tokenworks.ledger.store import open_store

PRO = (
    *("create", "pro", "--price", "20", "--window", "50/5h", "--window", "500/weekly"),
    *("--class", "large:models=acme/large*,acme/huge,in=5,out=25", "--class", "small:models=*,in=0.5,out=2"),
    *("--used-up", "pay_as_you_go", "--concurrency", "4", "--client", "ide*", "--fair-use", "slow"),
)
SPEC = {
    "name": "pro",
    "price_usd": 20.0,
    "windows": [{"credits": 50.0, "window": "5h"}, {"credits": 500.0, "window": "week"}],
    "classes": [
        {"name": "large", "models": ["acme/large*", "acme/huge"], "input_mtok": 5.0, "output_mtok": 25.0},
        {"name": "small", "models": ["*"], "input_mtok": 0.5, "output_mtok": 2.0},
    ],
    "concurrency": 4,
    "clients": ["ide*"],
    "used_up": "pay_as_you_go",
    "fair_use": {"action": "slow"},
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = tmp_path / "home"
    for arguments in (("key", "create", "alice"), ("team", "create", "research")):
        assert CliRunner().invoke(main, ["--home", str(place), *arguments]).exit_code == 0
    return place


def invoke(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), "plan", *arguments])


def told(home: Path, *arguments: str) -> Any:
    result = invoke(home, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_plan_from_its_making_to_its_end(home: Path) -> None:
    assert told(home, *PRO) == {"name": "pro", "spec": SPEC}
    assert invoke(home, "assign", "pro", "--key", "alice").stdout == "key alice has plan pro\n"
    assert invoke(home, "assign", "pro", "--team", "research").exit_code == 0
    shown = told(home, "show", "pro")
    assert shown["spec"] == SPEC
    assert [each["scope"] for each in shown["subscriptions"]] == ["key", "team"]
    assert [each["used"] for each in shown["subscriptions"][0]["windows"]] == [0.0, 0.0]
    assert told(home, "list")["plans"][0]["subscribers"] == 2
    assert "50/5h, 500/week" in invoke(home, "list").stdout
    text = invoke(home, "show", "pro").stdout
    assert "alice" in text
    assert "research" in text
    refused = invoke(home, "remove", "pro")
    assert (refused.exit_code, "plan unassign" in refused.stderr) == (1, True)
    assert invoke(home, "unassign", "--key", "alice").stdout == "key alice has no plan\n"
    assert invoke(home, "unassign", "--key", "alice").exit_code == 1
    assert invoke(home, "unassign", "--team", "research").exit_code == 0
    assert "nobody has it" in invoke(home, "show", "pro").stdout
    assert invoke(home, "remove", "pro").stdout == "removed pro\n"
    assert "tokenworks plan create" in invoke(home, "list").stdout


def test_a_revoked_key_keeps_no_plan_alive(home: Path) -> None:
    invoke(home, *PRO)
    invoke(home, "assign", "pro", "--key", "alice")
    (row,) = json.loads(CliRunner().invoke(main, ["--home", str(home), "key", "list", "--json"]).stdout)[
        "keys"
    ]
    CliRunner().invoke(main, ["--home", str(home), "key", "revoke", row["id"]])
    assert invoke(home, "remove", "pro").exit_code == 0


def test_a_plan_from_a_file(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(SPEC))
    assert told(home, "create", "pro", "--file", str(file), "--price", "25")["spec"] == {
        **SPEC,
        "price_usd": 25.0,
    }
    again = invoke(home, "create", "pro", "--file", str(file))
    assert (again.exit_code, "--replace" in again.stderr) == (1, True)
    assert told(home, "create", "pro", "--file", str(file), "--replace")["spec"] == SPEC
    for content, said in (("{", "is no JSON"), ("[]", "a JSON object"), ('{"name":"max"}', "called 'max'")):
        file.write_text(content)
        result = invoke(home, "create", "pro", "--file", str(file), "--replace")
        assert result.exit_code == 2
        assert said in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--window", "50"), "50/5h"),
        (("--window", "many/5h"), "50/5h"),
        (("--window", "50/fortnight"), "fortnight"),
        (("--window", "50/5h"), "classes"),
        (("--class", "large"), "NAME:models="),
        (("--class", "large:in=5"), "NAME:models="),
        (("--class", "large:models=a,inn=5"), "NAME:models="),
        (("--class", "large:models=a,in=dear"), "NAME:models="),
        (("--class", "large:models=a"), "weighs nothing"),
        (("--used-up", "cheaper_model"), "cheaper_model"),
        (("--price", "-1"), "--price"),
        (("--timezone", "Mars"), "time zone"),
    ],
)
def test_what_is_no_plan(home: Path, arguments: tuple[str, ...], said: str) -> None:
    result = invoke(home, "create", "pro", *arguments)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
    assert told(home, "list") == {"plans": []}


def test_mistakes_about_whom(home: Path) -> None:
    invoke(home, *PRO)
    for arguments, status in (
        (("assign", "max", "--key", "alice"), 1),
        (("assign", "pro", "--key", "bob"), 1),
        (("assign", "pro", "--team", "sales"), 1),
        (("assign", "pro"), 2),
        (("assign", "pro", "--key", "alice", "--team", "research"), 2),
        (("show", "max"), 1),
        (("remove", "max"), 1),
        (("wallet", "bob", "5"), 1),
        (("wallet", "alice", "0"), 2),
        (("wallet", "alice", "1e10"), 2),
    ):
        assert invoke(home, *arguments).exit_code == status, arguments


def test_wallets(home: Path) -> None:
    assert invoke(home, "wallet", "alice", "20").stdout == "wallet of alice: $20.00 left of $20.00 paid in\n"
    assert told(home, "wallet", "alice", "0.5")["left"] == 20.5
    assert told(home, "wallet", "research", "5", "--team")["scope"] == "team"


def test_two_payments_at_once_both_count(home: Path) -> None:
    python = [sys.executable, "-m", "tokenworks", "--home", str(home), "plan", "wallet", "alice", "1"]
    running = [subprocess.Popen(python, stdout=subprocess.DEVNULL) for _ in range(5)]
    assert [each.wait(60) for each in running] == [0] * 5
    store = open_store(f"sqlite:///{home}/tokenworks.db")
    (wallet,) = store.limits()
    store.close()
    assert wallet.amount == 5_000_000_000

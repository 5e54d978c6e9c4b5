"""What is kept can be seen and erased from the command line."""

import json
from pathlib import Path

import pytest
from captured import captured
from click.testing import CliRunner, Result

from tokenworks.cli import main
from tokenworks.cli.capture import capture
from tokenworks.errors import NotFound
from tokenworks.ledger.store import open_store


def invoke(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(capture, [arguments[0], "--home", str(home), *arguments[1:]])


@pytest.fixture
def key_id(tmp_path: Path) -> str:
    """Of a key called alice, of which two captures are kept, beside one of an unknown key."""
    made = CliRunner().invoke(main, ["--home", str(tmp_path), "key", "create", "alice", "--json"])
    key_id: str = json.loads(made.stdout)["id"]
    store = open_store(f"sqlite:///{tmp_path}/tokenworks.db")
    for number, owner in ((1, key_id), (2, key_id), (3, "k_gone")):
        store.keep_capture(captured(number, key_id=owner))
    store.close()
    return key_id


def counts(home: Path) -> dict[str, int]:
    found = json.loads(invoke(home, "list", "--json").stdout)["captures"]
    return {each["key"]: each["captures"] for each in found}


def test_the_list_counts_by_key(tmp_path: Path, key_id: str) -> None:
    rows = {each["key"]: each for each in json.loads(invoke(tmp_path, "list", "--json").stdout)["captures"]}
    assert rows[key_id]["name"] == "alice"
    assert rows[key_id]["captures"] == 2
    assert rows[key_id]["oldest"] == "2026-01-01T00:00:01Z"
    assert rows[key_id]["first_expires"] == "2026-01-31T00:00:01Z"
    assert rows["k_gone"]["name"] is None
    assert "alice" in invoke(tmp_path, "list").stdout


@pytest.mark.parametrize("by", ["name", "id", "revoked"])
def test_a_key_is_forgotten(tmp_path: Path, key_id: str, by: str) -> None:
    if by == "revoked":
        CliRunner().invoke(main, ["--home", str(tmp_path), "key", "revoke", key_id])
    done = invoke(tmp_path, "forget", "--key", "alice" if by == "name" else key_id)
    assert done.stdout == "erased 2 captures\n"
    assert counts(tmp_path) == {"k_gone": 1}
    audit = CliRunner().invoke(main, ["--home", str(tmp_path), "audit", "--target", key_id, "--json"])
    newest = json.loads(audit.stdout)["entries"][0]
    assert (newest["action"], newest["detail"]) == ("capture.forget", {"erased": 2})
    assert newest["actor"].startswith("cli:")


def test_requests_are_forgotten_by_their_ids(tmp_path: Path, key_id: str) -> None:
    assert invoke(tmp_path, "forget", "gen-0001", "gen-0003", "gen-9999").stdout == "erased 2 captures\n"
    assert counts(tmp_path) == {key_id: 1}
    assert invoke(tmp_path, "forget", "gen-0001").stdout == "nothing was kept of that\n"


def test_a_key_that_only_the_captures_know_is_forgotten_too(tmp_path: Path, key_id: str) -> None:
    assert invoke(tmp_path, "forget", "--key", "k_gone").stdout == "erased 1 captures\n"
    assert isinstance(invoke(tmp_path, "forget", "--key", "nobody").exception, NotFound)


def test_what_is_to_be_forgotten_must_be_said(tmp_path: Path, key_id: str) -> None:
    assert invoke(tmp_path, "forget").exit_code == 2
    assert invoke(tmp_path, "forget", "gen-0001", "--key", "alice").exit_code == 2
    assert counts(tmp_path) == {key_id: 2, "k_gone": 1}


def test_an_empty_list_says_how_to_fill_it(tmp_path: Path) -> None:
    CliRunner().invoke(main, ["--home", str(tmp_path), "init"])
    assert 'capture = "consented"' in invoke(tmp_path, "list").stdout

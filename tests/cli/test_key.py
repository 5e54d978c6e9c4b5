"""Keys made, listed and revoked from the command line."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tokenworks.cli import main
from tokenworks.ledger.store import open_store
from tokenworks.plans.keys import KeyBook


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def invoke(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), "key", *arguments])


def check(home: Path, secret: str) -> str | None:
    """The name of the key that a server on ``home`` would see in ``secret``."""
    store = open_store(f"sqlite:///{home}/tokenworks.db")
    key = KeyBook(store, (home / "pepper").read_bytes()).check(secret.encode())
    store.close()
    return key and key.name


def test_created_listed_revoked(home: Path) -> None:
    made = json.loads(invoke(home, "create", "alice", "--json").stdout)
    assert set(made) == {"id", "key"}
    assert check(home, made["key"]) == "alice"
    listed = json.loads(invoke(home, "list", "--json").stdout)["keys"]
    assert [(each["id"], each["name"], each["role"], each["active"]) for each in listed] == [
        (made["id"], "alice", "member", True)
    ]
    shown = invoke(home, "list").stdout
    assert made["id"] in shown
    assert made["key"] not in shown
    assert invoke(home, "revoke", made["id"]).stdout == f"revoked {made['id']}\n"
    assert check(home, made["key"]) is None
    assert json.loads(invoke(home, "list", "--json").stdout)["keys"][0]["active"] is False


def test_for_people_the_secret_alone_is_on_stdout(home: Path) -> None:
    result = invoke(home, "create", "Zoë's laptop", "--admin")
    assert check(home, result.stdout.rstrip("\n")) == "Zoë's laptop"
    assert "shown only now" in result.stderr
    assert json.loads(invoke(home, "list", "--json").stdout)["keys"][0]["role"] == "admin"


def test_an_id_that_is_none_is_status_1(home: Path) -> None:
    made = json.loads(invoke(home, "create", "alice", "--json").stdout)["id"]
    for wrong in ("k_nope", "alice"):
        result = invoke(home, "revoke", wrong)
        assert result.exit_code == 1
        assert result.stderr == (
            f"tokenworks: no active key has the id {wrong}; tokenworks key list shows them\n"
        )
    invoke(home, "revoke", made)
    assert invoke(home, "revoke", made).exit_code == 1


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 101])
def test_names_that_no_list_could_show(home: Path, name: str) -> None:
    result = invoke(home, "create", name)
    assert result.exit_code == 2
    assert "1 to 100 printable characters" in result.stderr
    assert not home.exists()


def test_listing_makes_no_home(home: Path) -> None:
    result = invoke(home, "list")
    assert result.exit_code == 2
    assert "is no home yet; run: tokenworks init" in result.stderr
    assert not home.exists()

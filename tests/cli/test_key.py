"""Keys made, listed and revoked from the command line."""

import json
import re
import time
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


def expires_in_s(home: Path, name: str) -> float:
    """How long the key called ``name`` still lives."""
    store = open_store(f"sqlite:///{home}/tokenworks.db")
    found = store.keys()
    store.close()
    (end_us,) = [each.expires_us for each in found if each.name == name]
    assert end_us is not None
    return end_us / 1e6 - time.time()


@pytest.mark.parametrize(
    ("given", "seconds"), [("30d", 30 * 86400), ("12h", 43200), ("5m", 300), ("2w", 14 * 86400)]
)
def test_a_key_may_end_so_long_from_now(home: Path, given: str, seconds: int) -> None:
    assert invoke(home, "create", "a", "--expires", given).exit_code == 0
    assert expires_in_s(home, "a") == pytest.approx(seconds, abs=60)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("2099-12-31", "2099-12-31T23:59:59Z"),
        ("2099-12-31T12:00:00+02:00", "2099-12-31T10:00:00Z"),
        ("2099-12-31T12:00:00Z", "2099-12-31T12:00:00Z"),
        ("2099-12-31T12:00", "2099-12-31T12:00:00Z"),
    ],
)
def test_a_key_may_end_at_a_day_or_moment(home: Path, given: str, shown: str) -> None:
    invoke(home, "create", "a", "--expires", given)
    (listed,) = json.loads(invoke(home, "list", "--json").stdout)["keys"]
    assert (listed["expires"], listed["active"], listed["disabled"]) == (shown, True, False)


@pytest.mark.parametrize("given", ["", "soon", "30", "-1d", "30y", "2099-13-01", "9999999w", "2099-1-1"])
def test_an_end_that_is_none_is_refused(home: Path, given: str) -> None:
    result = invoke(home, "create", "a", "--expires", given)
    assert result.exit_code == 2
    assert "such as 30d, 12h or 2w" in " ".join(result.stderr.split())
    assert not home.exists()


@pytest.mark.parametrize("given", ["0d", "2020-01-01"])
def test_an_end_that_is_over_is_refused(home: Path, given: str) -> None:
    result = invoke(home, "create", "a", "--expires", given)
    assert result.exit_code == 2
    assert "is over already" in result.stderr


def test_an_expired_key_is_listed_as_not_active(home: Path) -> None:
    made = json.loads(invoke(home, "create", "a", "--json").stdout)
    store = open_store(f"sqlite:///{home}/tokenworks.db")
    store.update_key(made["id"], expires_us=1_000_000)
    store.close()
    (listed,) = json.loads(invoke(home, "list", "--json").stdout)["keys"]
    assert (listed["expires"], listed["active"], listed["disabled"]) == ("1970-01-01T00:00:01Z", False, False)
    assert check(home, made["key"]) is None


def test_disabled_and_enabled_again(home: Path) -> None:
    made = json.loads(invoke(home, "create", "alice", "--json").stdout)
    assert invoke(home, "disable", made["id"]).stdout == f"disabled {made['id']}\n"
    assert check(home, made["key"]) is None
    (listed,) = json.loads(invoke(home, "list", "--json").stdout)["keys"]
    assert (listed["active"], listed["disabled"]) == (False, True)
    assert re.search(r"alice .* yes +no", invoke(home, "list").stdout)
    assert invoke(home, "enable", made["id"]).stdout == f"enabled {made['id']}\n"
    assert check(home, made["key"]) == "alice"
    invoke(home, "revoke", made["id"])
    for command in ("enable", "disable"):
        for key_id in (made["id"], "k_nope"):
            result = invoke(home, command, key_id)
            assert result.exit_code == 1
            assert f"no key that is not revoked has the id {key_id}" in result.stderr
    assert check(home, made["key"]) is None

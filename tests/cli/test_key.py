"""Keys made, listed and revoked from the command line."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tokenworks.cli import main
from tokenworks.ledger.limit_rows import PlanRow
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


# --- limits, rules, teams, plans ------------------------------------------------------------------

ISSUE = (
    "create",
    "NAME",
    "--budget",
    "20/month",
    "--budget",
    "2/5h",
    "--strict",
    "--limit",
    "60rpm",
    "--json",
)


def ran(home: Path, *arguments: str) -> str:
    result = invoke(home, *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def limits(home: Path) -> list[tuple[str, str, int, str, bool, str]]:
    store = open_store(f"sqlite:///{home}/tokenworks.db")
    found = [
        (each.scope, each.unit, each.amount, each.window, each.strict, each.timezone)
        for each in store.limits()
    ]
    store.close()
    return found


def test_a_key_is_made_with_its_limits(home: Path) -> None:
    made = json.loads(ran(home, *ISSUE))
    assert set(made) == {"id", "key"}
    assert check(home, made["key"]) == "NAME"
    assert limits(home) == [
        ("key", "usd", 20_000_000_000, "month", True, "UTC"),
        ("key", "usd", 2_000_000_000, "5h", True, "UTC"),
        ("key", "requests", 60, "1min", False, "UTC"),
    ]
    shown = json.loads(ran(home, "show", made["id"], "--json"))
    assert [(each["amount"], each["left"]) for each in shown["limits"]] == [
        (20.0, 20.0),
        (2.0, 2.0),
        (60, 60),
    ]
    text = ran(home, "show", "NAME")
    assert "$20.00/month, strict" in text
    assert made["key"] not in text


def test_a_key_is_made_with_its_rules(home: Path) -> None:
    given = (
        "create bob --models acme/* --models !acme/large --providers acme --clients ide* "
        "--timezone Europe/Berlin --max-input-tokens 1000 --max-output-tokens 50 "
        "--max-price 3:15 --max-iterations 200 --max-session-spend 5 "
        "--max-session-time 2h --max-repeats 4 --max-stale-turns 6"
    )
    made = json.loads(ran(home, *given.split(), "--hours", "Mon-Fri 09:00-18:00", "--json"))
    shown = json.loads(ran(home, "show", made["id"], "--json"))
    assert shown["rules"] == {
        "models": ["acme/*", "!acme/large"],
        "providers": ["acme"],
        "clients": ["ide*"],
        "hours": ["Mon-Fri 09:00-18:00"],
        "timezone": "Europe/Berlin",
        "max_input_tokens": 1000,
        "max_output_tokens": 50,
        "max_input_mtok": 3.0,
        "max_output_mtok": 15.0,
        "loops": {
            "iterations": 200,
            "spend_usd": 5.0,
            "wall_clock_s": 7200.0,
            "repeats": 4,
            "stale_turns": 6,
        },
    }
    assert "models: acme/*, !acme/large" in ran(home, "show", "bob")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("--budget 20/fortnight", "window 'fortnight'"),
        ("--budget much", "write dollars and a window"),
        ("--limit 20/month", "say of what"),
        ("--limit 60", "say of what"),
        ("--budget 20/month --budget 30/month", "two limits"),
        ("--budget 20/month --timezone Mars", "time zone"),
        ("--hours always", "hours 'always'"),
        ("--max-price dear", "as in 3:15"),
        ("--max-price 3:-15", "max_output_mtok"),
        ("--max-iterations 0", "0 is not in the range"),
        ("--max-repeats 1", "2 at least"),
        ("--max-session-time soon", "no span of time"),
        ("--role manager", "give --team too"),
        ("--admin --role member", "give one of them"),
        ("--role root", "'root' is not one of"),
    ],
)
def test_what_no_key_can_have(home: Path, given: str, said: str) -> None:
    result = invoke(home, "create", "bob", *given.split())
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
    assert not home.exists()


def test_a_team_or_plan_that_is_not_there(home: Path) -> None:
    ran(home, "create", "alice")
    for given, said in (("--team research", "team list"), ("--plan pro", "plan list")):
        for command in (("create", "bob"), ("update", "alice")):
            result = invoke(home, *command, *given.split())
            assert result.exit_code == 1
            assert said in result.stderr
    assert len(json.loads(ran(home, "list", "--json"))["keys"]) == 1


def test_an_update_changes_what_is_given_and_nothing_else(home: Path) -> None:
    made = json.loads(ran(home, *ISSUE))["id"]
    CliRunner().invoke(main, ["--home", str(home), "team", "create", "research"])
    store = open_store(f"sqlite:///{home}/tokenworks.db")
    store.put_plan(PlanRow("pro", '{"name":"pro"}', 1, 1))
    before = {each.window: each.id for each in store.limits()}

    def updated(*given: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(ran(home, "update", made, *given, "--json"))
        return found

    updated("--budget", "30/month", "--limit", "10 concurrent")
    assert {each.window: each.id for each in store.limits()}["month"] == before["month"]
    assert ("key", "usd", 30_000_000_000, "month", True, "UTC") in limits(home)
    assert len(limits(home)) == 4
    updated("--no-strict")
    assert [each[4] for each in limits(home)] == [False] * 4
    found = updated("--models", "acme/*", "--max-iterations", "9", "--name", "alice", "--team", "research")
    assert found["rules"] == {"models": ["acme/*"], "loops": {"iterations": 9}}
    assert found["name"] == "alice"
    found = updated("--max-repeats", "3", "--plan", "pro", "--role", "manager", "--expires", "30d")
    assert found["rules"] == {"models": ["acme/*"], "loops": {"iterations": 9, "repeats": 3}}
    assert (found["plan"] or {})["name"] == "pro"  # type: ignore[index]
    assert found["expires"] is not None
    found = updated("--models", "none", "--max-iterations", "none", "--plan", "none", "--expires", "none")
    assert found["rules"] == {"loops": {"repeats": 3}}
    assert (found["plan"], found["expires"], found["role"]) == (None, None, "manager")
    refused = invoke(home, "update", made, "--team", "none")
    assert "give --team too" in refused.stderr
    found = updated("--team", "none", "--role", "member", "--max-repeats", "none")
    assert (found["team"], found["rules"]) == (None, {})
    actors = {each.actor for each in store.audit()}
    store.close()
    assert {actor.partition(":")[0] for actor in actors if actor} == {"cli"}
    assert len(ran(home, "update", made, "--name", "bob").splitlines()) > 3


def test_an_update_of_nothing(home: Path) -> None:
    made = json.loads(ran(home, "create", "alice", "--json"))["id"]
    result = invoke(home, "update", made)
    assert result.exit_code == 2
    assert "nothing to change" in result.stderr
    assert invoke(home, "update", "k_none", "--name", "x").exit_code == 1
    assert invoke(home, "show", "k_none").exit_code == 1


def test_a_key_is_rotated_with_overlap(home: Path) -> None:
    made = json.loads(ran(home, "create", "alice", "--json"))
    turned = json.loads(ran(home, "rotate", made["id"], "--json"))
    assert set(turned) == {"id", "key", "old_until"}
    assert turned["old_until"] > time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 23 * 3600))
    assert [check(home, each["key"]) for each in (made, turned)] == ["alice", "alice"]
    result = invoke(home, "rotate", "alice", "--overlap", "0s")
    assert [check(home, each["key"]) for each in (made, turned)] == [None, None]
    assert check(home, result.stdout.rstrip("\n")) == "alice"
    assert "shown only now" in result.stderr
    assert invoke(home, "rotate", "alice", "--overlap", "366d").exit_code == 2
    assert invoke(home, "rotate", "k_none").exit_code == 1


def test_two_updates_at_once_lose_nothing(home: Path) -> None:
    made = json.loads(ran(home, "create", "alice", "--json"))["id"]
    given = [
        ("--models", "a"),
        ("--providers", "b"),
        ("--clients", "c"),
        ("--max-iterations", "5"),
        ("--max-repeats", "3"),
    ]
    python = [sys.executable, "-m", "tokenworks", "--home", str(home), "key", "update", made]
    running = [subprocess.Popen([*python, *each], stdout=subprocess.DEVNULL) for each in given]
    assert [each.wait(60) for each in running] == [0] * len(given)
    assert json.loads(ran(home, "show", made, "--json"))["rules"] == {
        "models": ["a"],
        "providers": ["b"],
        "clients": ["c"],
        "loops": {"iterations": 5, "repeats": 3},
    }

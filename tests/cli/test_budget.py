"""Limits added, listed, changed, refunded, removed, and leases freed, from the command line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tokenworks.cli import main
from tokenworks.ledger.limit_rows import Want
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import Store, open_store
from tokenworks.plans.account import account_id

NANO = 1_000_000_000


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = tmp_path / "home"
    for arguments in (("key", "create", "alice"), ("team", "create", "research")):
        assert CliRunner().invoke(main, ["--home", str(place), *arguments]).exit_code == 0
    return place


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{home}/tokenworks.db")
    yield opened
    opened.close()


def invoke(home: Path, *arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), "budget", *arguments], input=answer)


def told(home: Path, *arguments: str) -> Any:
    result = invoke(home, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def spend(store: Store, limit_id: str, subject: str, amount: int, held: int = 0) -> None:
    account = account_id(limit_id, subject)
    store.lease("w1", [Want(account, limit_id, subject, 2**60, 0, amount + held, 0)], {}, [], 1)
    number = len(store.standings()) + 100
    store.append("w1.0001", number, [Record(id=f"gen-1-{number}", time_us=1, charges=(account, 0, amount))])


def test_a_budget_from_its_making_to_its_end(home: Path, store: Store) -> None:
    made = told(home, "add", "20/month", "--key", "alice", "--strict", "--timezone", "Europe/Berlin")
    assert (made["amount"], made["window"], made["timezone"], made["strict"]) == (
        20.0,
        "month",
        "Europe/Berlin",
        True,
    )
    assert told(home, "list")["budgets"] == [made]
    assert "key alice" in invoke(home, "list").stdout
    assert told(home, "set", made["id"], "30.5", "--no-strict")["amount"] == 30.5
    assert store.limits()[0].strict is False
    assert invoke(home, "set", made["id"], "40").stdout == f"{made['id']}: $40.00/month Europe/Berlin\n"
    assert invoke(home, "remove", made["id"]).stdout == f"removed {made['id']}\n"
    assert store.limits() == []
    for arguments in (("remove", made["id"]), ("set", made["id"], "1"), ("refund", made["id"], "1")):
        result = invoke(home, *arguments)
        assert result.exit_code == 1
        assert "tokenworks budget list shows them" in result.stderr
    assert "tokenworks budget add" in invoke(home, "list").stdout
    assert {each.actor.partition(":")[0] for each in store.audit(target=made["id"])} == {"cli"}


@pytest.mark.parametrize(
    ("arguments", "scope", "unit", "window"),
    [
        (("500/month", "--team", "research"), "team", "usd", "month"),
        (("60rpm", "--app", "ide"), "app", "requests", "1min"),
        (("$1/day", "--user", "*", "--within", "alice"), "user", "usd", "day"),
        (("10 concurrent", "--session", "*", "--within", "research"), "session", "concurrent", "lifetime"),
    ],
)
def test_every_kind(
    home: Path, store: Store, arguments: tuple[str, ...], scope: str, unit: str, window: str
) -> None:
    result = invoke(home, "add", *arguments)
    assert result.exit_code == 0, result.output
    (row,) = store.limits()
    assert (row.scope, row.unit, row.window) == (scope, unit, window)
    within = arguments[-1] if "--within" in arguments else ""
    owners = {each.name: each.id for each in [*store.keys(), *store.teams()]}
    assert row.within == owners.get(within, "")
    assert row.subject == owners.get(arguments[2], arguments[2])


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("20/month",), 2, "give one of --key"),
        (("20/month", "--key", "alice", "--team", "research"), 2, "give one of --key"),
        (("20/month", "--key", "alice", "--within", "research"), 2, "goes with --app"),
        (("much", "--key", "alice"), 2, "AMOUNT"),
        (("20/fortnight", "--key", "alice"), 2, "fortnight"),
        (("20/month", "--key", "alice", "--timezone", "Mars"), 2, "time zone"),
        (("20/month", "--key", "bob"), 1, "key list"),
        (("20/month", "--team", "sales"), 1, "team list"),
        (("20/month", "--app", "*", "--within", "bob"), 1, "key list"),
        (("20/month", "--app", "a\nb"), 2, "printable"),
    ],
)
def test_what_is_no_limit(
    home: Path, store: Store, arguments: tuple[str, ...], status: int, said: str
) -> None:
    result = invoke(home, "add", *arguments)
    assert result.exit_code == status
    assert said in " ".join(result.stderr.split())
    assert store.limits() == []


def test_how_limits_stand_and_refunds(home: Path, store: Store) -> None:
    mine = told(home, "add", "2", "--key", "alice")
    every = told(home, "add", "1", "--user", "*")
    spend(store, mine["id"], mine["subject"], NANO, held=NANO // 2)
    spend(store, every["id"], "zoë", NANO // 4)
    first, second = told(home, "list")["budgets"]
    assert (first["spent"], first["held"], first["left"]) == (1.0, 0.5, 1.0)
    assert [each["subject"] for each in second["subjects"]] == ["zoë"]
    shown = invoke(home, "list").stdout
    assert "█████░░░░░ 50%" in shown
    assert "zoë" in shown
    assert [each["id"] for each in told(home, "list", "--key", "alice")["budgets"]] == [mine["id"]]
    assert told(home, "list", "--team", "research")["budgets"] == []
    inside = told(home, "add", "1", "--user", "bob", "--within", "alice")
    assert told(home, "list", "--key", "alice")["budgets"][1] == inside
    invoke(home, "remove", inside["id"])
    assert told(home, "refund", mine["id"], "0.25", "--reason", "outage")["budget"]["spent"] == 0.75
    assert (
        invoke(home, "refund", mine["id"], "5").stdout
        == f"refunded 0.75 of {mine['id']}; no more was spent\n"
    )
    assert told(home, "refund", every["id"], "0.1", "--subject", "zoë")["refunded"] == 0.1
    for arguments in ((every["id"], "1"), (every["id"], "1", "--subject", "bob"), (mine["id"], "--", "-1")):
        assert invoke(home, "refund", *arguments).exit_code == 2
    assert any("outage" in each.detail for each in store.audit())


def test_leases_are_shown_and_freed_after_a_question(home: Path, store: Store) -> None:
    assert told(home, "leases") == {"leases": []}
    mine = told(home, "add", "2", "--key", "alice")
    spend(store, mine["id"], mine["subject"], NANO // 2, held=NANO // 2)
    spend(store, "plan:pro:week", "key:k_1", 0, held=3 * NANO)
    spend(store, "loop:spend", "k_1/s1", 0, held=NANO)
    rows = {each["limit"]: each for each in told(home, "leases")["leases"]}
    assert {(each["holder"], each["unit"]) for each in rows.values()} == {
        ("w1", "usd"),
        ("w1", "credits"),
    }
    assert (rows[mine["id"]]["granted"], rows[mine["id"]]["held_by_all"]) == (1.0, 0.5)
    assert rows["plan:pro:week"]["granted"] == 3.0
    assert "w1" in invoke(home, "leases").stdout
    refused = invoke(home, "release", "w1", answer="n\n")
    assert refused.exit_code == 1
    assert "budgets may be overspent" in " ".join(refused.output.split())
    assert store.lease_holders("") == ["w1"]
    for wrong in ("w", "w2"):
        result = invoke(home, "release", wrong, "--yes")
        assert result.exit_code == 1
        assert "budget leases shows who does" in result.stderr
    freed = invoke(home, "release", "w1", answer="y\n")
    assert freed.exit_code == 0
    assert freed.stdout.endswith("released w1: 3 leases\n")
    assert store.lease_holders("") == []
    assert told(home, "list")["budgets"][0]["held"] == 0
    assert store.audit()[0].action == "lease.release"

"""Keys and teams are found by id or by name, and who types stands in the audit log."""

import getpass
from collections.abc import Iterator
from pathlib import Path

import pytest

from tokenworks.cli.who import actor, find_key, find_limit, find_plan, find_team, key_or_team
from tokenworks.errors import NotFound
from tokenworks.ledger.limit_rows import PlanRow, TeamRow
from tokenworks.ledger.store import Store, open_store
from tokenworks.plans import keys
from tokenworks.plans.granting import new_limit, written


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = open_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    made.migrate()
    yield made
    made.close()


def make(store: Store, name: str) -> str:
    return keys.create(store, name, b"p" * 32)[0]


def test_a_key_by_id_or_by_the_name_that_only_it_has(store: Store) -> None:
    alice, bob, second = make(store, "alice"), make(store, "bob"), make(store, "bob")
    assert find_key(store, alice).id == find_key(store, "alice").id == alice
    with pytest.raises(NotFound, match=f"2 keys are called bob.*{bob}"):
        find_key(store, "bob")
    store.revoke_key(bob)
    assert find_key(store, "bob").id == second
    for wrong in (bob, "carol", ""):
        with pytest.raises(NotFound, match="tokenworks key list"):
            find_key(store, wrong)


def test_teams_plans_and_limits(store: Store) -> None:
    alice = make(store, "alice")
    store.add_team(TeamRow("t_1", "research", "", 1, 1))
    store.put_plan(PlanRow("pro", "{}", 1, 1))
    limit = new_limit("key", alice, written("1/day"))
    store.add_limit(limit)
    assert find_team(store, "research").id == find_team(store, "t_1").id == "t_1"
    assert key_or_team(store, "research") == "t_1"
    assert key_or_team(store, "alice") == alice
    assert find_plan(store, "pro").name == "pro"
    assert find_limit(store, limit.id) == limit
    for found, hint in (
        (find_team, "team list"),
        (find_plan, "plan list"),
        (find_limit, "budget list"),
        (key_or_team, "key list"),
    ):
        with pytest.raises(NotFound, match=hint):
            found(store, "none")


def test_who_types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "zoë")
    assert actor() == "cli:zoë"

    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert actor().removeprefix("cli:").isdigit()

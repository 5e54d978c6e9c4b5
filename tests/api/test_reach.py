"""How far a manager's key reaches: rules that every route shares."""

from __future__ import annotations

import pytest

from tokenworks.api.reach import TeamReach, changes, only_admin, sees, visible_team
from tokenworks.errors import Forbidden
from tokenworks.ledger.rows import KeyRow
from tokenworks.plans.keys import Key

ADMIN = Key("k_a", "admin", "admin")
MANAGER = Key("k_m", "manager", "manager", team_id="t_1")


def row(key_id: str, role: str = "member", team_id: str = "t_1") -> KeyRow:
    return KeyRow(key_id, key_id, role, "…", 1, None, key_id.encode(), team_id=team_id)


ROWS = [
    row("k_m", "manager"),
    row("k_1"),
    row("k_2", "manager"),
    row("k_3", "admin"),
    row("k_4", team_id="t_2"),
    row("k_5", team_id=""),
]


class Keys:
    """As much of a store as is read."""

    def keys(self) -> list[KeyRow]:
        return ROWS


@pytest.mark.parametrize(
    ("key_id", "seen", "changed"),
    [
        ("k_m", True, False),
        ("k_1", True, True),
        ("k_2", True, False),
        ("k_3", True, False),
        ("k_4", False, False),
        ("k_5", False, False),
    ],
)
def test_a_manager_changes_members_of_its_team(key_id: str, seen: bool, changed: bool) -> None:
    (one,) = [each for each in ROWS if each.id == key_id]
    assert (sees(MANAGER, one), changes(MANAGER, one)) == (seen, changed)
    assert (sees(ADMIN, one), changes(ADMIN, one)) == (True, True)
    reach = TeamReach(Keys(), MANAGER)  # type: ignore[arg-type]
    assert (reach.sees("key", key_id), reach.changes("key", key_id)) == (seen, changed)
    inside = (reach.sees("user", "*", key_id), reach.changes("user", "*", key_id))
    assert inside == (seen, changed)


@pytest.mark.parametrize(
    ("limit", "seen", "changed"),
    [
        (("team", "t_1", ""), True, False),
        (("team", "t_2", ""), False, False),
        (("user", "*", "t_1"), True, True),
        (("user", "*", "t_2"), False, False),
        (("user", "t_1", ""), False, False),
        (("app", "k_1", ""), False, False),
        (("session", "*", ""), False, False),
        (("key", "", ""), False, False),
    ],
)
def test_limits_of_the_team_are_seen_and_not_changed(
    limit: tuple[str, str, str], seen: bool, changed: bool
) -> None:
    reach = TeamReach(Keys(), MANAGER)  # type: ignore[arg-type]
    assert (reach.sees(*limit), reach.changes(*limit)) == (seen, changed)
    everything = TeamReach(Keys(), ADMIN)  # type: ignore[arg-type]
    assert (everything.sees(*limit), everything.changes(*limit)) == (True, True)


def test_names_of_a_team() -> None:
    reach = TeamReach(Keys(), MANAGER)  # type: ignore[arg-type]
    assert reach.names() == {"t_1", "k_m", "k_1", "k_2", "k_3"}


def test_what_only_an_admin_may() -> None:
    only_admin(ADMIN, "fly")
    with pytest.raises(Forbidden, match="may fly"):
        only_admin(MANAGER, "fly")
    assert visible_team(MANAGER, "t_1") == "t_1"
    assert visible_team(ADMIN, "t_2") == "t_2"
    with pytest.raises(Forbidden, match="its own team"):
        visible_team(MANAGER, "t_2")

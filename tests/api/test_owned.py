"""Whose files and batches a key reaches, and pages of those, whoever else has some between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from batching import file_row

from tokenworks.api import owned
from tokenworks.api.owned import page, reaches
from tokenworks.plans.keys import Key

Called = Callable[..., Any]


@pytest.mark.parametrize(("role", "sees"), [("admin", "mto"), ("manager", "mt"), ("member", "m")])
@pytest.mark.parametrize("limit", [1, 2, 100])
def test_pages(called: Called, monkeypatch: pytest.MonkeyPatch, role: str, sees: str, limit: int) -> None:
    """m: mine, t: of my team, o: of others."""
    monkeypatch.setattr(owned, "PAGE", 2)
    client = called()
    store, team = client.store, client.new_team()
    ids = {
        "m": client.new_key(role=role, team_id=team)[0],
        "t": client.new_key(team_id=team)[0],
        "o": client.new_key()[0],
    }
    who = Key(ids["m"], "me", role, team_id=team)
    rows = []
    for letter in "motmmoottm":
        row = file_row(key_id=ids[letter])
        store.add_file(row)
        store.finish_file(row.id, 0)
        rows.append((letter, row.id))
    expected = [name for letter, name in reversed(rows) if letter in sees]
    found: list[str] = []
    more = True
    while more:
        after = found[-1] if found else ""
        read = lambda key_id, at, size: store.files(key_id, "", at, size)  # noqa: E731
        some, more = page(store, who, read, after, limit)
        assert 0 < len(some) <= limit
        found += [row.id for row in some]
    assert found == expected
    for letter, key_id in ids.items():
        assert reaches(store, who, key_id) == (letter in sees)


def test_a_manager_of_no_team_is_a_member(called: Called) -> None:
    client = called()
    other, _ = client.new_key()
    who = Key("k_1", "me", "manager")
    assert not reaches(client.store, who, other)
    assert reaches(client.store, who, "k_1")
    assert not reaches(client.store, Key("k_1", "me", "manager", team_id="t_1"), "k_gone")

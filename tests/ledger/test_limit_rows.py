"""The rows of limits: what their words are, and that the engines' tables hold every field."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tokenworks.ledger import limit_rows
from tokenworks.ledger.limit_rows import ACTIONS, SCOPES, UNITS, LimitRow
from tokenworks.ledger.store import open_store
from tokenworks.plans.account import kind_of


def test_every_unit_can_be_counted_strictly_or_not() -> None:
    for unit in UNITS:
        assert kind_of(unit, strict=False) >= 0 and kind_of(unit, strict=True) >= 0
    assert len({kind_of(unit, strict=False) for unit in UNITS}) == len(UNITS)
    assert "*" not in SCOPES and "observe" not in ACTIONS


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("unit", UNITS)
def test_a_limit_of_any_scope_and_unit_comes_back_as_it_went_in(
    tmp_path: Path, scope: str, unit: str
) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    store.migrate()
    row = LimitRow("l_1", scope, "*", unit, 2**62, "5h", 1, 2, "k_1", "Europe/Berlin", True, "wallet")
    store.add_limit(row)
    assert store.limits() == [row]
    store.close()


def test_rows_are_frozen() -> None:
    for name in dir(limit_rows):
        kind = getattr(limit_rows, name)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind is not msgspec.Struct:
            assert kind.__struct_config__.frozen, name

"""The names for "choose for me", and that no model of the catalogue is called so."""

from __future__ import annotations

from tokenworks.catalog.auto import AUTO, AUTO_NAMES
from tokenworks.catalog.load import known_models


def test_names() -> None:
    assert AUTO in AUTO_NAMES
    assert all(name.rpartition("/")[2] == "auto" for name in AUTO_NAMES)


def test_no_model_hides_behind_them() -> None:
    assert AUTO_NAMES.isdisjoint(known_models())

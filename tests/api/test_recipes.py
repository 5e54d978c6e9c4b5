"""Which recipes there are, told to any key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from tokenworks.api import recipes as module
from tokenworks.errors import ConfigError

Called = Callable[..., Any]


class Shelf(Mapping[str, Any]):
    """One recipe, and one whose library is not there."""

    def __getitem__(self, name: str) -> Any:
        if name == "bare":
            raise ConfigError("install it: pip install 'tokenworks[batch]'")

        return SimpleNamespace(summary="in capitals", options={"to": "which"}, suffixes=(".txt",))

    def __iter__(self) -> Any:
        return iter(["upper", "bare"])

    def __len__(self) -> int:
        return 2


async def test_each_with_what_it_takes(called: Called, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "recipes", Shelf)
    client = called()
    _, headers = client.new_key()
    told = (await client.get("/v1/recipes", headers=headers)).json()["data"]
    assert told[0] == {
        "name": "upper",
        "summary": "in capitals",
        "options": {"to": "which"},
        "suffixes": [".txt"],
        "missing": None,
    }
    assert (told[1]["name"], told[1]["missing"]) == ("bare", "install it: pip install 'tokenworks[batch]'")


async def test_those_of_this_installation(called: Called) -> None:
    client = called()
    _, headers = client.new_key()
    told = (await client.get("/v1/recipes", headers=headers)).json()["data"]
    assert {"translate", "extract", "generate", "dialogue", "map"} == {each["name"] for each in told}
    assert all(each["summary"] and each["options"] for each in told if not each["missing"])

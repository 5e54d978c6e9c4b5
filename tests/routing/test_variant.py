"""Suffixes of a model's name."""

from __future__ import annotations

import pytest

from tokenworks.routing.variant import VARIANTS, apply, split
from tokenworks.routing.wishes import NONE, Wishes


@pytest.mark.parametrize("suffix", sorted(VARIANTS))
def test_known_suffixes_are_cut(suffix: str) -> None:
    assert split(f"acme/fast:{suffix}") == ("acme/fast", suffix)
    assert split(f"acme/fast:{suffix.upper()}") == ("acme/fast", suffix)
    assert split(f"acme/fast:8b:{suffix}") == ("acme/fast:8b", suffix)


@pytest.mark.parametrize(
    "name", ["acme/fast", "fast:8b", "fast:", ":floor", "", "floor", "a:floor:8b", "a:flooring"]
)
def test_other_names_stay_whole(name: str) -> None:
    assert split(name) == (name, "")


def test_what_they_wish() -> None:
    assert apply(NONE, "floor") == Wishes(sort="price")
    assert apply(NONE, "nitro") == Wishes(sort="throughput")
    assert apply(NONE, "exacto") == Wishes(sort="exacto")
    assert apply(NONE, "free") == Wishes(free=True)
    for suffix in ("", "thinking", "extended", "online"):
        assert apply(NONE, suffix) is NONE


def test_what_the_caller_spelled_out_stays() -> None:
    wishes = Wishes(sort="latency", only=("acme",))
    assert apply(wishes, "floor") is wishes
    assert apply(wishes, "free") == Wishes(sort="latency", only=("acme",), free=True)
    assert apply(Wishes(only=("acme",)), "nitro") == Wishes(sort="throughput", only=("acme",))

"""The seam of every recipe."""

from __future__ import annotations

import msgspec
import pytest

from tokenworks.batches.cookbook import recipes
from tokenworks.batches.recipes.recipe import Ask, Checked, Output, Part, Said, Skipped, Split, least_bad


def test_what_has_problems_is_not_ok() -> None:
    assert Checked({"a": 1}).ok
    assert not Checked({"a": 1}, ("a figure stands nowhere",)).ok


@pytest.mark.parametrize(
    "thing",
    [
        Part("0001", "lane", {"text": "é"}, 3, 4),
        Split((Part("1", "a", {}, 0, 0),), {"to": "de"}, (Skipped("x.pdf", "it is empty"),)),
        Ask(({"role": "user", "content": "hi"},), 10, 0.0, {"type": "object"}),
        Said("hi", "length", "acme/fast"),
        Checked([1, {"b": None}], ("wrong",)),
        Output("x.csv", "text/csv"),
    ],
)
def test_everything_between_the_methods_is_json(thing: msgspec.Struct) -> None:
    assert msgspec.json.decode(msgspec.json.encode(thing), type=type(thing)) == thing


def test_every_recipe_keeps_to_the_seam() -> None:
    for name, recipe in recipes().items():
        assert recipe.name == name
        assert recipe.summary and "\n" not in recipe.summary
        assert all(option.isidentifier() for option in recipe.options), recipe.options
        assert all(told for told in recipe.options.values())
        assert all(suffix.startswith(".") for suffix in recipe.suffixes)
        for method in ("split", "ask", "check", "learn", "merge"):
            assert callable(getattr(recipe, method))


def test_the_least_bad_try_is_the_one_of_most_use() -> None:
    none = Checked(None, ("empty",))
    many, few = Checked(1, ("a", "b", "c"), unusable=1), Checked(2, ("a", "b"), unusable=2)
    assert least_bad([none, few, many]) == many, "what can be used of it counts, not what is said of it"
    assert least_bad([Checked(1, ("a",)), Checked(2, ("b",)), none]).value == 2, "the later of two alike"
    assert least_bad([none]) == none

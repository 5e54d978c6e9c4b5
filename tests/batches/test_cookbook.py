"""Recipes by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tokenworks.batches.cookbook import PACKAGES, option, recipe, recipes
from tokenworks.errors import BadRequest


def test_every_recipe_has_the_name_that_it_is_found_by() -> None:
    assert {name: found.name for name, found in recipes().items()} == {name: name for name in PACKAGES}
    for found in recipes().values():
        assert found.summary and found.suffixes and all(found.options.values())


def test_none_is_imported_before_it_is_looked_up() -> None:
    script = (
        "import sys; from tokenworks.batches.cookbook import recipe, recipes\n"
        "assert len(recipes()) == 5 and 'map' in recipes()\n"
        "print([m for m in sys.modules if '.batches.recipes.' in m and m[-6:] != 'recipe'])\n"
        "recipe('map'); print('tokenworks.batches.recipes.extract' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.split("\n")[:2] == ["[]", "False"], done.stderr


def test_a_wrong_name_is_told_the_right_one() -> None:
    with pytest.raises(BadRequest, match=r"'trnslate'; did you mean translate\? there are: translate, "):
        recipe("trnslate")
    with pytest.raises(BadRequest, match="'qqq'; there are"):
        recipe("qqq")


def test_options_are_found_with_dashes_and_the_nearest_is_told() -> None:
    found = recipe("map")
    assert option(found, "--skip-empty") == option(found, "skip_empty") == "skip_empty"
    with pytest.raises(BadRequest, match=r"map has no option 'templat'; did you mean template\?"):
        option(found, "--templat")

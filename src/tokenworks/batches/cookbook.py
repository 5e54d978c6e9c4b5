"""The recipes that there are, each loaded when it is asked for."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterator, Mapping

from tokenworks.batches.recipes.recipe import Recipe
from tokenworks.errors import BadRequest

PACKAGES = {  # name → package under ``recipes``
    "translate": "translate",
    "extract": "extract",
    "generate": "generate",
    "dialogue": "dialogue",
    "map": "map_rows",
}


class Recipes(Mapping[str, Recipe]):
    """Every recipe by its name; one is imported when it is looked up."""

    def __getitem__(self, name: str) -> Recipe:
        module = importlib.import_module(f"tokenworks.batches.recipes.{PACKAGES[name]}")
        found: Recipe = module.RECIPE
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(PACKAGES)

    def __len__(self) -> int:
        return len(PACKAGES)

    def __contains__(self, name: object) -> bool:
        return name in PACKAGES


_RECIPES = Recipes()


def recipes() -> Mapping[str, Recipe]:
    """All of them; looking one up imports it. Raises ``ConfigError`` where its library is missing."""
    return _RECIPES


def recipe(name: str) -> Recipe:
    """The recipe of this name. Raises ``BadRequest`` naming the nearest one."""
    if name in PACKAGES:
        return _RECIPES[name]
    near = difflib.get_close_matches(name.lower(), PACKAGES, n=1, cutoff=0.5)
    meant = f"did you mean {near[0]}? " if near else ""
    raise BadRequest(f"no recipe is called {name[:60]!r}; {meant}there are: {', '.join(PACKAGES)}")


def option(of: Recipe, name: str) -> str:
    """The option that ``name`` means, with dashes or underscores.

    Raises ``BadRequest`` naming the nearest.
    """
    plain = name.lstrip("-").replace("-", "_")
    if plain in of.options:
        return plain
    near = difflib.get_close_matches(plain, of.options, n=1, cutoff=0.5)
    meant = f"did you mean {near[0]}? " if near else ""
    known = ", ".join(of.options) or "none"
    raise BadRequest(f"{of.name} has no option {plain[:60]!r}; {meant}there are: {known}")

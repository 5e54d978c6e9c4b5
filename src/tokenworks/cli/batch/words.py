"""The words after ``tokenworks batch run RECIPE``: files, and options that only the recipe knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tokenworks.batches.recipes.recipe import Recipe


def sorted_out(words: Sequence[str], pairs: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Files, and options as they were written: ``--to de``, ``--to=de`` or, in ``pairs``, ``to=de``.

    An option with nothing behind it, or another option, is "yes".
    """
    files: list[str] = []
    options: dict[str, str] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--") or word == "--":
            if word == "--":
                files += rest
                break
            if word.startswith("-") and word != "-" and not Path(word).exists():
                raise click.UsageError(f"no such option: {word}")
            files.append(word)
            continue
        name, given, value = word.partition("=")
        if not given:
            value = rest.pop(0) if rest and not rest[0].startswith("--") else "yes"
        options[name] = value
    for pair in pairs:
        name, given, value = pair.partition("=")
        if not given or not name:
            raise click.UsageError(f"-o {pair}: write NAME=VALUE, as in -o to=de")
        options[name] = value
    return files, options


def of_recipe(recipe: Recipe, written: Mapping[str, str]) -> dict[str, str]:
    """The recipe's own options. Raises ``BadRequest`` for one that it doesn't have."""
    from tokenworks.batches.cookbook import option

    return {option(recipe, name): value for name, value in written.items()}


def paths(recipe: Recipe, names: Sequence[str]) -> list[Path]:
    """The files that were named, and of folders those that the recipe reads. Raises ``BadRequest``."""
    from tokenworks.errors import BadRequest

    found: list[Path] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in recipe.suffixes and p.is_file())
            if not inside:
                raise BadRequest(
                    f"{name}: nothing in it that {recipe.name} reads: {' '.join(recipe.suffixes)}"
                )
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise BadRequest(f"{name}: no such file")
    return list(dict.fromkeys(found))

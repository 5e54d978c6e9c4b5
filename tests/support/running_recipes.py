"""Runs a recipe as the engine of batches does, in one thread and without a store: for tests of recipes.

Whatever goes between the recipe's methods is written as JSON and read again, as it is in earnest; what isn't
JSON fails here. The job is split a second time before it is merged, and must come out the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tokenworks.batches.recipes.recipe import (
    Ask,
    Checked,
    Memory,
    Output,
    Part,
    Recipe,
    Said,
    Split,
    least_bad,
)

TRIES = 4  # two of the model, two of the stronger one
Model = Callable[[Ask], Said]
Kind = TypeVar("Kind")


class Stopped(Exception):
    """As many answers as were allowed have come: as if the process had died here."""


def run(
    recipe: Recipe,
    files: Sequence[Path],
    options: Mapping[str, str],
    model: Model,
    folder: Path,
    *,
    kept: MutableMapping[str, bytes] | None = None,
    stop_after: int | None = None,
    tries: int = TRIES,
) -> tuple[Split, dict[str, Checked], list[Output]]:
    """The whole job: what it was split into, what came of each part, and the files in ``folder``.

    ``kept`` are the results of parts as JSON; give the same again to go on after ``Stopped``, which is raised
    after ``stop_after`` answers. A part that stands in it is not asked for again. Lanes take turns, an answer
    each.
    """
    kept = {} if kept is None else kept
    split = written(recipe.split(files, options), Split)
    assert len({part.id for part in split.parts}) == len(split.parts), "ids of parts must be unique"
    assert [part.id for part in split.parts] == sorted(part.id for part in split.parts)
    said = _counted(model, stop_after)
    lanes = [_lane(recipe, lane, split.shared, said, kept, tries) for lane in _lanes(split)]
    while lanes:
        lanes = [lane for lane in lanes if next(lane, _END) is not _END]
    results = {part.id: msgspec.json.decode(kept[part.id], type=Checked) for part in split.parts}
    again = written(recipe.split(files, options), Split)
    assert again == split, "the same files and options must be split the same way"
    folder.mkdir(parents=True, exist_ok=True)
    return split, results, recipe.merge(files, split, results, folder)


_END = object()


def _lanes(split: Split) -> list[list[Part]]:
    lanes: dict[str, list[Part]] = {}
    for part in split.parts:
        lanes.setdefault(part.lane, []).append(part)
    return list(lanes.values())


def _counted(model: Model, stop_after: int | None) -> Model:
    asked = 0

    def said(ask: Ask) -> Said:
        nonlocal asked
        if stop_after is not None and asked >= stop_after:
            raise Stopped(f"after {asked} answers")
        asked += 1
        return written(model(written(ask, Ask)), Said)

    return said


def _lane(
    recipe: Recipe,
    parts: Sequence[Part],
    shared: dict[str, Any],
    model: Model,
    kept: MutableMapping[str, bytes],
    tries: int,
) -> Iterator[None]:
    """Yields after each answer."""
    memory: Memory = {}
    for part in parts:
        if part.id not in kept:
            wrong: list[Checked] = []
            while True:
                said = model(recipe.ask(part, shared, memory, tuple(wrong)))
                checked = written(recipe.check(part, shared, memory, said), Checked)
                wrong.append(checked)
                if checked.ok or len(wrong) >= tries:
                    break
                yield
            kept[part.id] = msgspec.json.encode(checked if checked.ok else least_bad(wrong))
        checked = msgspec.json.decode(kept[part.id], type=Checked)
        memory = written(recipe.learn(part, shared, memory, checked), dict[str, Any])
        yield


def written(value: Kind, kind: type[Kind]) -> Kind:
    """``value`` written as JSON and read again; it must stay the same."""
    read = msgspec.json.decode(msgspec.json.encode(value), type=kind)
    assert read == value, f"{kind.__name__} changes when it is written as JSON: {value!r}"
    return read

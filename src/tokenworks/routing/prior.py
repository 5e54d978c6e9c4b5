"""What to expect of a model by its name alone: its family, else its size, else its class."""

from __future__ import annotations

import re
from functools import cache

from tokenworks.catalog.abilities import Abilities, abilities

_SIZE = re.compile(r"(?<![a-z0-9.])(?:(\d{1,2})x)?(\d{1,4}(?:\.\d+)?)\s?([bm])(?![a-z0-9])")


@cache
def ability(model: str) -> float:
    """Logit of being right on middling work: 0 is half of it right. ``model``: "author/slug" or a bare
    name.
    """
    table = abilities()
    name = model.lower().rpartition("/")[2].replace("_", ".")
    for family in table.families:
        if family.match in name:
            return family.ability
    size = params_b(name)
    return table.by_size(size) if size else _by_class(name, table)


def params_b(name: str) -> float | None:
    """Billions of parameters that a lower-case name tells: of "8x7b" 56, of "135m" 0.135; None: it tells
    none.
    """
    found = [
        float(times or 1) * float(number) * (1 if unit == "b" else 0.001)
        for times, number, unit in _SIZE.findall(name)
    ]
    return max(found, default=None)


def _by_class(name: str, table: Abilities) -> float:
    words = set(re.split(r"[-.: ]", name))
    return table.default + sum(shift for word, shift in table.words.items() if word in words)

"""Words of fields and of rows: how well does a row's label fit what a field is called?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Set

from tokenworks.batches.recipes.extract.figures import plain

HALF = 0.5
INSIDE = 0.8  # fit of a label that has one of the field's other names in it
_WORD = re.compile(r"[^\W\d_]{3,}")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_DULL = {"the", "and", "for", "with", "from", "that", "this", "are", "was", "all", "any", "has", "its", "per",
         "value", "number", "amount"}  # fmt: skip


def words_of(text: str) -> list[str]:
    """Words that say something, in small letters and without the plural's s; "net_income" has two."""
    found = _WORD.findall(_HUMP.sub(" ", text).replace("_", " ").casefold())
    return [word.removesuffix("s") if len(word) > 3 else word for word in found if word not in _DULL]


def fit(name: Set[str], labels: Iterable[str], description: str, heading: str, label: str) -> float:
    """0 to 1: how well a row fits a field. ``name``: words of the field's name; ``labels``: its other names.

    Half is how much of the name the label and its heading have, half how much of the label the name and the
    description know. ``heading`` and ``label`` as of ``figures.plain``.
    """
    others = [plain(other) for other in labels]
    if label in others:
        return 1.0
    if any(other in label for other in others if other):
        return INSIDE
    has, above = set(words_of(label)), set(words_of(heading))
    if not has or not name & (has | above):
        return 0.0
    known = name | set(words_of(description))
    covered = len(name & (has | above)) / len(name)
    return HALF * covered + HALF * len(known & has) / len(has)

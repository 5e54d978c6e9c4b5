"""``abilities.toml``: how able families of models are, for those without outcomes of our own."""

from __future__ import annotations

import math
import tomllib
from functools import cache
from pathlib import Path

import msgspec

_FILE = Path(__file__).with_name("abilities.toml")


class Family(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Models whose name contains ``match``, in lower case."""

    match: str
    ability: float


class Abilities(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole table. An ability is the logit of being right on middling work."""

    checked: str
    source: str
    default: float  # of a model of which nothing is known
    size_at_1b: float
    size_per_decade: float  # for ten times the parameters
    words: dict[str, float]  # added where a name has that word and nothing else is known
    families: tuple[Family, ...]  # the first that matches counts

    def by_size(self, params_b: float) -> float:
        """What a model of ``params_b`` billion parameters may be expected to do."""
        return self.size_at_1b + self.size_per_decade * math.log10(max(params_b, 0.01))


@cache
def abilities() -> Abilities:
    """The shipped table."""
    return msgspec.convert(tomllib.loads(_FILE.read_text("utf-8")), Abilities)

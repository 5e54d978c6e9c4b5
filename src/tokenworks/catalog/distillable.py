"""Whether a model's terms allow training another model on what it wrote: ``distillable.toml``.

The file is no legal advice: it says what was read where and when. A model that it does not know is
``unknown``, which counts as forbidden wherever the terms are enforced.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from tokenworks.config.glob import matches

State = Literal["allowed", "forbidden", "unknown"]

_FILE = Path(__file__).with_suffix(".toml")


class Terms(msgspec.Struct, frozen=True):
    """What the terms of one model say of training on its answers."""

    state: State
    name: str = ""  # of the licence or the terms
    condition: str = ""  # what whoever trains on them must keep to
    source: str = ""
    checked: str = ""  # ISO date


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the file. ``models`` are ids and globs of such."""

    models: tuple[str, ...]
    state: State
    name: str
    source: str
    checked: str
    condition: str = ""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    terms: tuple[Row, ...]


UNKNOWN = Terms("unknown")


@cache
def rows() -> tuple[Row, ...]:
    """The file's entries. Parsed once a process."""
    return msgspec.convert(tomllib.loads(_FILE.read_text(encoding="utf-8")), _File).terms


@cache
def terms(model: str) -> Terms:
    """The terms of the model with this id, by the entry that names it most closely: the longest match."""
    found, closeness = UNKNOWN, -1
    bare = model.partition(":")[0]  # variants are the same model
    for row in rows():
        for glob in row.models:
            near = len(glob.replace("*", "").replace("?", ""))
            if near > closeness and matches((glob,), bare):
                found = Terms(row.state, row.name, row.condition, row.source, row.checked)
                closeness = near
    return found


def may_train(model: str) -> bool:
    """Whether the terms are known to allow it: what ``enforce_distillable_text`` asks for."""
    return terms(model).state == "allowed"

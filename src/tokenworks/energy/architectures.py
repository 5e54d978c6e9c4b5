"""Models whose shape is known: ``architectures.toml``, by id of the catalogue, repository or short name."""

from __future__ import annotations

import difflib
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec

from tokenworks.energy import reading, reading_gguf
from tokenworks.energy.architecture import Architecture
from tokenworks.errors import BadRequest

_SHIPPED = Path(__file__).parent / "architectures.toml"
_SUFFIXES = ("-fp8", "-nvfp4", "-fp4", "-mxfp4", "-int4", "-bf16", ":free")


class Listed(msgspec.Struct, frozen=True):
    """A model with what its publisher states of it. Empty or 0: not stated."""

    name: str
    title: str
    architecture: Architecture
    aliases: tuple[str, ...]
    total_b: str  # 10^9 parameters, with the publisher's digits
    active_b: str
    counts: Literal["layers", "head", "embedding"]  # what active_b holds beside the layers
    source: str
    config: str  # where the shape was read
    mtp: bool = False  # total_b holds the module that predicts further tokens
    kv_bytes: int = 0  # of each token, BF16
    kv_gib_1m: str = ""  # of 1,048,576 tokens, BF16
    kv_source: str = ""

    @property
    def total(self) -> int:
        """Parameters, counted as the publisher does."""
        return self.architecture.total_parameters + (self.architecture.mtp_parameters if self.mtp else 0)

    @property
    def active(self) -> int:
        """Active parameters, counted as the publisher does."""
        embedding = self.architecture.embedding_parameters
        return (
            self.architecture.active_parameters
            + {"layers": -1, "head": 0, "embedding": 1}[self.counts] * embedding
        )


def load(name: str) -> Architecture:
    """The model called ``name``, or described by the file of that name (a ``config.json`` or GGUF).

    Raises ``BadRequest`` that lists near names.
    """
    found = find(name)
    if found is not None:
        return found.architecture
    path = Path(name).expanduser()
    if path.suffix in (".json", ".gguf") or path.is_dir():
        return reading_gguf.from_gguf(path) if path.suffix == ".gguf" else reading.from_file(path)
    near = difflib.get_close_matches(_plain(name), _named(), n=4, cutoff=0.4)
    names = list(dict.fromkeys(_named()[key].name for key in near)) or [model.name for model in listed()]
    raise BadRequest(f"unknown model {name!r}: use {', '.join(names)}, or give its config.json or GGUF file")


def find(name: str) -> Listed | None:
    """The listed model of that name, id or repository; None if it is not listed."""
    plain = _plain(name)
    while plain not in _named():
        shorter = next((plain.removesuffix(s) for s in _SUFFIXES if plain.endswith(s)), "")
        if not shorter:
            return None
        plain = shorter
    return _named()[plain]


def listed() -> list[Listed]:
    """All of them, as in the file."""
    return list(dict.fromkeys(_named().values()))


def _plain(name: str) -> str:
    return name.lower().strip().rpartition("/")[2].replace("_", "-")


@cache
def _named() -> dict[str, Listed]:
    found: dict[str, Listed] = {}
    for name, row in tomllib.loads(_SHIPPED.read_text("utf-8")).items():
        model = msgspec.convert(_row(name, row), Listed)
        for known in (name, *model.aliases):
            found.setdefault(_plain(known), model)
    return found


def _row(name: str, row: dict[str, Any]) -> dict[str, Any]:
    shape = {"name": name, **row.pop("shape"), "attention": row.pop("attention")}
    return {"name": name, "aliases": (), **row, "architecture": shape}

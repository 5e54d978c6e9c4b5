"""What a server of models tells on ``/metrics``, under names that do not depend on whose server it is.

Under which names each kind tells it stands in ``server_kinds.toml``.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import msgspec
from prometheus_client.parser import text_string_to_metric_families

_KINDS = Path(__file__).parent / "server_kinds.toml"
_RANKS = ("tp_rank", "pp_rank", "moe_ep_rank")  # of one replica: each tells the same
_MEANS = ("kv_used",)  # fields that are no sums

Series = list[tuple[Mapping[str, str], float]]  # labels and value


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of server, and what it calls each figure."""

    title: str
    known_by: tuple[str, ...]  # any of these samples
    owned_by: tuple[str, ...]  # what its list of models says
    turn_on: str  # how its metrics are had where there are none
    source: str
    checked: str
    decoded: tuple[str, ...]
    computed: tuple[str, ...] = ()
    prompt: tuple[str, ...] = ()
    cached: tuple[str, ...] = ()
    hits: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()
    prefill_s: tuple[str, ...] = ()
    decode_s: tuple[str, ...] = ()
    batches: tuple[str, ...] = ()
    busy_per_batch: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    kv_used: tuple[str, ...] = ()
    kv_tokens: tuple[str, ...] = ()


class Page:
    """The metrics of one server at one moment."""

    def __init__(self, kind: str, samples: Mapping[str, Series]) -> None:
        self.kind = kind
        self._samples = samples

    def told(self, field: str) -> float | None:
        """The figure called ``field`` in ``server_kinds.toml``; None where the server does not tell it."""
        found: tuple[str, ...] = getattr(kinds()[self.kind], field)
        mean = field in _MEANS
        return next((value for entry in found if (value := self._read(entry, mean)) is not None), None)

    def _read(self, entry: str, mean: bool) -> float | None:
        name, labels, narrowed = _entry(entry)
        alike: dict[tuple[tuple[str, str], ...], float] = {}
        for had, sample in self._samples.get(name, ()):
            if any(had.get(label) != value for label, value in narrowed):
                continue
            value = _product(had, labels) if labels else sample
            if not math.isfinite(value):
                continue
            place = tuple(sorted((key, each) for key, each in had.items() if key not in _RANKS))
            alike[place] = max(value, alike.get(place, -math.inf))
        if not alike:
            return None
        return sum(alike.values()) / (len(alike) if mean else 1)


@cache
def kinds() -> dict[str, Kind]:
    """Every kind of server that is known, by its name."""
    content = tomllib.loads(_KINDS.read_text("utf-8"))
    return {name: msgspec.convert(each, Kind) for name, each in content.items()}


def read(text: str) -> Page | None:
    """The figures in Prometheus text; None where it is no known server's, or no such text."""
    wanted = _wanted()
    lines = [line for line in text.splitlines() if line[:1] != "#" and _name(line) in wanted]
    samples: dict[str, Series] = {}
    try:
        for family in text_string_to_metric_families("\n".join(lines) + "\n"):
            for sample in family.samples:
                samples.setdefault(sample.name, []).append((sample.labels, sample.value))
    except (ValueError, IndexError):  # what its parser raises for lines that are none
        return None
    for name, kind in kinds().items():
        if any(each in samples for each in kind.known_by):
            return Page(name, samples)
    return None


def owner(named: str) -> str:
    """The kind of server whose models are owned by ``named``; empty: none that is known."""
    return next((name for name, kind in kinds().items() if named in kind.owned_by), "")


def title(kind: str) -> str:
    """What people call it."""
    known = kinds().get(kind)
    return known.title if known else kind


def _name(line: str) -> str:
    """The name of the sample in a line. Most lines are buckets of histograms, of no use here."""
    brace = line.find("{")
    return line[:brace] if brace > 0 else line.partition(" ")[0]


@cache
def _wanted() -> frozenset[str]:
    entries = [
        entry
        for kind in kinds().values()
        for value in msgspec.structs.astuple(kind)
        if isinstance(value, tuple)
        for entry in value
    ]
    return frozenset(_entry(entry)[0] for entry in entries)


@cache
def _entry(entry: str) -> tuple[str, tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Name, labels that hold the number, labels that must have a value."""
    if entry.endswith("]"):
        name, _, labels = entry[:-1].partition("[")
        return name, tuple(labels.split("*")), ()
    name, _, label = entry.rstrip("}").partition("{")
    if not label:
        return name, (), ()
    key, _, value = label.partition("=")
    return name, (), ((key, value.strip('"')),)


def _product(had: Mapping[str, str], labels: Sequence[str]) -> float:
    """Not a number where a label is missing or holds none: some servers write "None"."""
    try:
        return math.prod(float(had[label]) for label in labels)
    except (KeyError, ValueError):
        return math.nan

"""Who makes a model, where that author sits, and whether the weights are open: ``authors.toml``.

What is not known stays unknown: ``"unknown"`` as author or weights, ``""`` as country.
"""

from __future__ import annotations

import tomllib
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

import msgspec

from tokenworks.catalog.presets import models
from tokenworks.config.glob import matches

Weights = Literal["open", "closed", "unknown"]

UNKNOWN = "unknown"
_FILE = Path(__file__).with_suffix(".toml")
_REMEMBERED = 16_384  # ids; anybody may send new ones, so not without bound


class AuthorRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One author. ``open`` and ``closed`` are globs of slugs, ``names`` of ids without an author."""

    slug: str
    title: str
    country: str  # ISO 3166-1 alpha-2; "" unknown
    weights: Weights
    open: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


class AuthorsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. ``countries``: alpha-2 → language → title."""

    checked: str
    countries: dict[str, dict[str, str]]
    authors: tuple[AuthorRow, ...]


@cache
def rows() -> AuthorsFile:
    """The file. Parsed once a process."""
    return msgspec.convert(tomllib.loads(_FILE.read_text(encoding="utf-8")), AuthorsFile)


def author_of(model_id: str) -> str:
    """The slug of the model's author: what stands before the slash, as the file spells it.

    Without a slash the name has to be known by its pattern; else it is ``"unknown"``. A ``~`` before it
    (an alias that follows the newest model) and a variant after it don't matter.
    """
    return _split(model_id)[0]


class Authors:
    """Titles, countries and weights. Made by :meth:`load`; all lookups are dictionary reads once asked."""

    def __init__(self, file: AuthorsFile, catalogued: dict[str, Weights]) -> None:
        self.checked = file.checked  # ISO date
        self._rows = {row.slug: row for row in file.authors}
        self._countries = file.countries
        self._weights = lru_cache(_REMEMBERED)(self._look_up)
        self._catalogued = catalogued

    @classmethod
    def load(cls) -> Authors:
        """The authors of the file, with the weights of the models that the catalogue has rows for."""
        return _loaded()

    def title(self, slug: str) -> str:
        """How people write the author; the slug itself for one that the file does not know."""
        row = self._rows.get(slug)
        return row.title if row else slug

    def country(self, slug: str) -> str:
        """ISO 3166-1 alpha-2 of the author's seat; ``""`` unknown."""
        row = self._rows.get(slug)
        return row.country if row else ""

    def weights(self, model_id: str) -> Weights:
        """Whether the model's weights can be downloaded."""
        return self._weights(model_id)

    def country_title(self, alpha2: str, language: str = "en") -> str:
        """The country in ``language`` (``en`` or ``zh``; else English); the code where it has no title."""
        titles = self._countries.get(alpha2)
        return titles.get(language, titles["en"]) if titles else alpha2

    def _look_up(self, model_id: str) -> Weights:
        author, slug = _split(model_id)
        known = self._catalogued.get(f"{author}/{slug}")
        if known:
            return known
        row = self._rows.get(author)
        if row is None:
            return "unknown"
        near = max(map(len, _matching(row.open, slug)), default=-1)
        far = max(map(len, _matching(row.closed, slug)), default=-1)
        if near == far:  # neither of them, or a file that says both
            return row.weights
        return "open" if near > far else "closed"


@cache
def _loaded() -> Authors:
    catalogued: dict[str, Weights] = {
        id_.lower(): "open" if model.open_weights else "closed" for id_, model in models().items()
    }
    return Authors(rows(), catalogued)


@lru_cache(_REMEMBERED)
def _split(model_id: str) -> tuple[str, str]:
    """Author and slug, lower case, without a variant."""
    author, slash, slug = model_id.strip().lower().lstrip("~").partition("/")
    bare = (slug if slash else author).partition(":")[0]
    if slash:
        return (_spellings().get(author, author) or UNKNOWN), bare
    named = ((len(glob), row.slug) for row in rows().authors for glob in _matching(row.names, bare))
    return max(named, default=(0, UNKNOWN))[1], bare


@cache
def _spellings() -> dict[str, str]:
    return {other: row.slug for row in rows().authors for other in row.also}


def _matching(globs: tuple[str, ...], name: str) -> list[str]:
    """Those of ``globs`` that match ``name``; the longest is the closest."""
    return [glob for glob in globs if matches((glob,), name)]

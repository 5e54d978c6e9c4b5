"""Texts that are nearly the same, found in time that grows with their number: MinHash over shingles of words.

A. Broder, "On the resemblance and containment of documents" (1997): the share of equal minima estimates the
Jaccard likeness of two sets. Bands of three minima (Leskovec, Rajaraman, Ullman, "Mining of Massive
Datasets", 3.4) bring likely pairs together, and only those are compared: of pairs with a likeness of 0.6 all
but one in 30,000 meet, of pairs with 0.5 all but four in 1,000.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MINIMA = 126
BAND = 3  # minima that must all be equal for two texts to be compared
SHINGLE = 3  # words
MAX_CHARS = 40_000  # of a text that are looked at
NEAREST = 64  # texts that one is compared with: those that it meets in most bands
ROOM = 32  # texts remembered of those that meet in one band

# Scripts without spaces between words: each character is one.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_DICE = np.random.default_rng(20_010)
_FACTORS = _DICE.integers(1, 2**63, MINIMA, dtype=np.uint64) | np.uint64(1)
_SHIFTS = _DICE.integers(0, 2**63, MINIMA, dtype=np.uint64)
_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)
_HALF = np.uint64(32)
_AT_ONCE = 2048  # shingles


def signature(text: str) -> NDArray[np.uint32]:
    """The minima of one text, shape (MINIMA,). Letter case, punctuation and spaces don't count."""
    words = [
        zlib.crc32(word.encode("utf-8", "replace")) for word in _WORD.findall(text[:MAX_CHARS].casefold())
    ]
    hashes = np.array(words or [0], dtype=np.uint64)
    size = min(SHINGLE, len(hashes))
    shingles = np.zeros(len(hashes) - size + 1, dtype=np.uint64)
    for place in range(size):  # overflow is part of the hash
        shingles += (hashes[place : place + len(shingles)] + np.uint64(place + 1)) * _MIX[place]
    shingles ^= shingles >> np.uint64(29)
    shingles = np.unique(shingles)
    lowest = np.full(MINIMA, np.iinfo(np.uint64).max, dtype=np.uint64)
    for start in range(0, len(shingles), _AT_ONCE):
        spread = shingles[start : start + _AT_ONCE, None] * _FACTORS + _SHIFTS
        np.minimum(lowest, (spread >> _HALF).min(axis=0), out=lowest)
    return lowest.astype(np.uint32)


def likeness(one: NDArray[np.uint32], other: NDArray[np.uint32]) -> float:
    """The estimated Jaccard likeness of two texts, 0..1, from their signatures."""
    return float((one == other).mean())


class Groups:
    """Texts by the group that they are in; who is like a member of a group belongs to it."""

    def __init__(self, least: float) -> None:
        """``least``: the likeness from which on two texts are in one group."""
        self._least = least
        self._parents: list[int] = []
        self._signatures = np.empty((64, MINIMA), dtype=np.uint32)  # grows; row n is the n-th text's
        self._bands: dict[int, list[int]] = {}

    def add(self, found: NDArray[np.uint32]) -> int:
        """Take in the next text by its signature; returns its group as it is now."""
        number = len(self._parents)
        self._parents.append(number)
        if number == len(self._signatures):
            self._signatures = np.concatenate((self._signatures, np.empty_like(self._signatures)))
        self._signatures[number] = found
        bands = _bands(found)
        met = Counter(other for band in bands for other in self._bands.get(band, ()))
        if met:
            others = [other for other, _ in met.most_common(NEAREST)]
            alike = (self._signatures[others] == found).mean(axis=1)
            for other, share in zip(others, alike, strict=True):
                if share >= self._least:
                    self.join(number, other)
        for band in bands:
            members = self._bands.setdefault(band, [])
            if len(members) < ROOM:
                members.append(number)
        return self.of(number)

    def __len__(self) -> int:
        return len(self._parents)

    def join(self, one: int, other: int) -> None:
        """Bring the groups of two texts together."""
        first, second = sorted((self.of(one), self.of(other)))
        self._parents[second] = first

    def of(self, number: int) -> int:
        """The group of the text with this number: the number of its first member."""
        parents = self._parents
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number


def grouped(texts: Sequence[str], least: float) -> list[int]:
    """For each text its group, by the place of the group's first member."""
    groups = Groups(least)
    for text in texts:
        groups.add(signature(text))
    return [groups.of(number) for number in range(len(texts))]


def _bands(found: NDArray[np.uint32]) -> list[int]:
    rows = found.reshape(-1, BAND).astype(np.uint64)
    mixed = (rows * _MIX).sum(axis=1, dtype=np.uint64)
    mixed += np.arange(len(rows), dtype=np.uint64) * np.uint64(
        0x9E3779B97F4A7C15
    )  # no two bands share a bucket
    return [int(each) for each in mixed ^ (mixed >> _HALF)]

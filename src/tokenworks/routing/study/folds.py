"""Splits by what is asked, not by row: the same question in two sources falls into the same part."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tokenworks.routing.shapes import parted
from tokenworks.routing.study.data import Data

_OTHER = re.compile(r"[\W_]+")
_ENOUGH = 25  # characters: a shorter stem ("which is true?") does not tell one question from another
_SHARED = 0.5  # of the smaller source's prompts, from which on two sources are one area of work


def question(text: str) -> str:
    """What tells one question from another: its letters and digits, without its lettered options."""
    stem, options = parted(text)
    bare = _OTHER.sub(" ", stem).strip()
    return bare if options and len(bare) >= _ENOUGH else _OTHER.sub(" ", text).strip()


def questions(data: Data) -> list[str]:
    """``question`` of every prompt."""
    return [question(text) for text in data.texts]


def folds(keys: Iterable[str], count: int, seed: int) -> NDArray[np.int64]:
    """The fold of each key, 0..``count`` - 1. It hangs on the key and the seed alone, not on the order."""
    found: dict[str, int] = {}
    for key in keys:
        if key not in found:
            digest = hashlib.blake2b(
                f"{seed}\0{key}".encode("utf-8", "surrogatepass"), digest_size=8
            ).digest()
            found[key] = int.from_bytes(digest, "big") % count
    return np.array([found[key] for key in keys], dtype=np.int64)


def hashes(keys: Iterable[str]) -> NDArray[np.uint32]:
    """A number of 32 bits for each key: two of 20,000 questions share one with P = 0.05."""
    digests = (hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=4).digest() for key in keys)
    return np.frombuffer(b"".join(digests), dtype="<u4").astype(np.uint32)


def areas(data: Data) -> dict[str, str]:
    """Source → area of work: sources that ask the same prompts are one, called after the first of them."""
    asked = {name: {data.texts[place] for place in part.prompts} for name, part in data.sources.items()}
    found: dict[str, str] = {}
    for name, mine in asked.items():
        same = (
            found[other]
            for other in found
            if len(mine & asked[other]) >= _SHARED * min(len(mine), len(asked[other]))
        )
        found[name] = next(same, name)
    return found

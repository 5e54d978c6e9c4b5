"""What a text is made of: words, pairs of words and pieces of words, counted in buckets without any model.

Everything is arithmetic on arrays of code points, so 2 KB take about 0.1 ms of one core. Letter case, spaces,
the values of digits and odd forms of quotes are gone before anything is counted: a prompt that was typed
differently should look the same.
"""

from __future__ import annotations

import unicodedata

import numpy as np
from numpy.typing import NDArray

from tokenworks.routing.courtesy import to_the_point

BITS = 15
BUCKETS = 1 << BITS
KEEP = 1_000  # characters that are looked at: the head, and a third of them from the tail
PIECES = (3, 5)  # lengths of the pieces, in characters

_PLAIN = (
    *((each, "'") for each in "‘’`´"),
    *((each, '"') for each in "“”„«»"),
    *((each, "-") for each in "–—−"),
)
_STEP = np.uint64(0x100000001B3)  # the prime of the 64-bit FNV hash, which this resembles
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: spreads what follows over the high bits
_POWERS = np.cumprod(np.full(KEEP + 3, _STEP, dtype=np.uint64), dtype=np.uint64)
_SHIFT, _HALF = np.uint64(64 - BITS), np.uint64(31)
_THRICE, _SEVEN = np.uint64(3), np.uint64(7)
_IDEOGRAPHS = 0x2E80  # from here on each character counts as a word: such scripts put no spaces between words
_TABLE = 128


def _mixed(points: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mixed = (points + np.uint64(1)) * _MIX
    return mixed ^ (mixed >> np.uint64(29))


_MIXED = _mixed(np.arange(_TABLE, dtype=np.uint64))
_MIXED[ord("0") : ord("9") + 1] = _MIXED[ord("0")]  # 1,234 looks like 0,000
_LOGS = np.log(np.maximum(np.arange(KEEP + 1, dtype=np.float32), 1)) + 1
_LETTERS = np.array([chr(code).isalnum() for code in range(_TABLE)])


def normalise(text: str) -> str:
    """``text`` as it is looked at: lower case, single spaces, plain quotes, at most ``KEEP`` characters."""
    if len(text) > KEEP:
        text = f"{text[: KEEP - KEEP // 3]} {text[-(KEEP // 3) :]}"
    if text.isascii():
        text = text.replace("`", "'")
    else:
        text = unicodedata.normalize("NFKC", text)
        for odd, plain in _PLAIN:
            text = text.replace(odd, plain)
    return to_the_point(" ".join(text.lower().split())[: KEEP + 1])


def without(text: str, signs: str) -> str:
    """``text`` with a space for each of ``signs``. (``str.translate`` is slow where a text is not ASCII.)"""
    for sign in signs:
        text = text.replace(sign, " ")
    return text


def buckets(text: str) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Which buckets the normalised ``text`` falls into, in rising order, and 1 + ln(how often) for each."""
    hashes = _hashes(text)
    hashes.sort()
    ends = np.ones(len(hashes), dtype=np.bool_)  # of equal runs
    np.not_equal(hashes[1:], hashes[:-1], out=ends[:-1])
    last = ends.nonzero()[0]
    counts = last.copy()
    counts[1:] -= last[:-1]
    counts[0] += 1
    return hashes[last].astype(np.intp), _LOGS.take(counts, mode="clip")


def _hashes(text: str) -> NDArray[np.uint16]:
    if text.isascii():
        codes = np.frombuffer(f" {text} ".encode("ascii"), dtype=np.uint8).astype(np.intp)
        letters, mixed = _LETTERS[codes], _MIXED[codes]
        starts = _starts(letters)
    else:
        points = np.frombuffer(f" {text} ".encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        codes = np.minimum(points, _TABLE - 1)
        wide = points >= _TABLE
        letters = _LETTERS[codes] | wide
        mixed = np.where(wide, _mixed(points.astype(np.uint64)), _MIXED[codes])
        starts = _starts(letters)
        alone = points >= _IDEOGRAPHS
        starts |= alone
        starts[1:] |= alone[:-1] & letters[1:]
    found = _words(starts, letters, mixed)
    piece = mixed
    for length in range(2, max(PIECES) + 1):
        piece = piece[: len(mixed) - length + 1] * _STEP
        piece += mixed[length - 1 :]
        if length in PIECES:
            found.append(_spread(piece ^ (piece >> _HALF)))
    return np.concatenate(found).astype(np.uint16)  # sorts ten times faster


def _starts(letters: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where a word begins: at a letter behind what is none."""
    starts = letters.copy()
    starts[1:] &= ~letters[:-1]
    return starts


def _words(
    starts: NDArray[np.bool_], letters: NDArray[np.bool_], mixed: NDArray[np.uint64]
) -> list[NDArray[np.uint64]]:
    """Buckets of the words, and of each two that follow one another."""
    first = starts.nonzero()[0]
    if not len(first):
        return [np.zeros(1, dtype=np.uint64)]
    place = np.arange(len(starts))  # within its word; the text begins with a space, so before the first too
    sizes = np.empty_like(first)
    np.subtract(first[1:], first[:-1], out=sizes[:-1])
    sizes[-1] = len(starts) - first[-1]
    place[first[0] :] -= first.repeat(sizes)
    words: NDArray[np.uint64] = np.add.reduceat(mixed * _POWERS[place] * letters, first)
    pairs = words[:-1] * _STEP
    pairs += words[1:] * _THRICE
    pairs += _SEVEN
    return [_spread(words), _spread(pairs)]


def _spread(hashed: NDArray[np.uint64]) -> NDArray[np.uint64]:
    spread = hashed * _MIX
    spread >>= _SHIFT
    return spread

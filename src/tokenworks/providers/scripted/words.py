"""Words stand for tokens: counting them and cutting text into pieces, the same way every time."""

from __future__ import annotations

import re
from functools import lru_cache

VOCABULARY = (
    "the", "works", "turn", "coal", "into", "heat", "and", "heat", "into", "steam", "so", "every", "wheel",
    "in", "the", "hall", "may", "run", "while", "a", "clerk", "notes", "what", "went", "in", "and", "out",
)  # fmt: skip
_WORD = re.compile(r"\s*\S+(?:\s+\Z)?|\s+\Z")


def count(text: str) -> int:
    """Words in ``text``: what white space separates."""
    return len(text.split())


@lru_cache(maxsize=64)
def speech(n: int) -> str:
    """A text of exactly ``n`` words, always the same."""
    return " ".join(VOCABULARY[i % len(VOCABULARY)] for i in range(n))


def first(text: str, n: int) -> str:
    """The first ``n`` words of ``text``, with the space between them."""
    return "".join(_WORD.findall(text)[:n]).rstrip()


def spoken(text: str) -> list[str]:
    """``text`` word by word, white space kept: joined again it is the same text."""
    return _WORD.findall(text)


def groups(text: str, n: int) -> list[str]:
    """``text`` in ``n`` pieces of about equally many words, or characters where words are too few."""
    parts = spoken(text)
    if len(parts) < n:
        parts = list(text)
    n = min(n, len(parts))
    return ["".join(parts[i * len(parts) // n : (i + 1) * len(parts) // n]) for i in range(n)]


def widths(text: str, size: int) -> list[str]:
    """``text`` in pieces of ``size`` characters, the last perhaps shorter."""
    return [text[i : i + size] for i in range(0, len(text), size)]

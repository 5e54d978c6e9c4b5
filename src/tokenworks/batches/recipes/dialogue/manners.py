"""What is wrong with something said in a conversation, beyond what is wrong with any answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

SHORT = 24  # characters: "Yes, of course." may be said twice
ALIKE = 0.9  # of the words in a row that two sayings share
LAST = 3  # sayings that are looked back at
_WORD = re.compile(r"\w+")


def repeated(text: str, before: Sequence[str]) -> str:
    """That ``text`` says again what one of the last of ``before`` said; empty where it doesn't."""
    if len(text) < SHORT:
        return ""
    rows = _rows(text)
    for back, old in enumerate(reversed(before[-LAST:]), 1):
        if not rows or len(old) < SHORT:
            continue
        other = _rows(old)
        if len(rows & other) >= ALIKE * max(len(rows), len(other)):
            return f"it says what was said {'in the last answer' if back == 1 else f'{back} answers before'}"
    return ""


def _rows(text: str) -> set[tuple[str, ...]]:
    """Each three words in a row, in small letters; for scripts without spaces each three signs."""
    words = _WORD.findall(text.lower())
    if len(words) * 12 < len(text):
        words = list(text.lower())
    return {tuple(words[at : at + 3]) for at in range(max(1, len(words) - 2))}


def out_of_character(text: str, forbidden: Sequence[str]) -> str:
    """The forbidden phrase that ``text`` holds, as a sentence; empty where there is none."""
    plain = " ".join(text.casefold().replace("’", "'").split())
    for phrase in forbidden:
        wanted = " ".join(phrase.casefold().replace("’", "'").split())
        if wanted and re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", plain, re.ASCII):
            return f"it says “{phrase[:60]}”, which is forbidden"
    return ""

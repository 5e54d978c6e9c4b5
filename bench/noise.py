"""The same prompt as another person would have typed it: case, spaces, slips of the finger, other words."""

from __future__ import annotations

import re
from random import Random

KINDS = ("casing", "whitespace", "typos", "paraphrase")

_SLIPS = 0.01  # of the letters
_WORDS = {
    "calculate": "work out",
    "determine": "find",
    "find": "determine",
    "following": "below",
    "which": "what",
    "total": "overall",
    "many": "many in all",
    "each": "every single",
    "per": "for each",
    "bought": "purchased",
    "buys": "purchases",
    "wants to": "would like to",
    "needs to": "has to",
    "therefore": "so",
    "because": "since",
    "also": "too",
    "best": "most accurately",
    "most likely": "most probably",
    "statement": "claim",
    "person": "individual",
    "big": "large",
    "large": "big",
    "begin": "start",
    "shows": "displays",
    "make": "create",
    "get": "obtain",
}
_BEFORE = ("", "Please answer: ", "Question: ", "Hi! ", "I need help with this. ", "Can you help me? ")
_AFTER = ("", " Thanks!", " Please answer.", " Thank you in advance.")
_KEYS = {
    "a": "sq",
    "e": "wr",
    "i": "uo",
    "o": "ip",
    "t": "ry",
    "n": "bm",
    "s": "ad",
    "r": "et",
    "h": "gj",
    "l": "k",
}


def noisy(text: str, kind: str, chance: Random) -> str:
    """``text`` with one of ``KINDS`` of noise."""
    if kind == "casing":
        return chance.choice((text.upper(), text.lower(), text.title(), text.swapcase()))
    if kind == "whitespace":
        return "".join(
            each if each not in " \n" else chance.choice((" ", "  ", "\n", " \n ", "\t")) for each in text
        )
    if kind == "typos":
        return "".join(_slipped(text, chance))
    return _put_otherwise(text, chance)


def _slipped(text: str, chance: Random) -> list[str]:
    """Letters doubled, left out, swapped with the next or hit beside, ``_SLIPS`` of them."""
    letters = list(text)
    for place in range(len(letters) - 1):
        if not letters[place].isalpha() or chance.random() >= _SLIPS:
            continue
        how = chance.randrange(4)
        if how == 0:
            letters[place] *= 2
        elif how == 1:
            letters[place] = ""
        elif how == 2:
            letters[place], letters[place + 1] = letters[place + 1], letters[place]
        else:
            letters[place] = chance.choice(_KEYS.get(letters[place].lower(), letters[place]))
    return letters


def _put_otherwise(text: str, chance: Random) -> str:
    for word, other in _WORDS.items():
        if chance.random() < 0.7:
            text = re.sub(rf"\b{word}\b", other, text, count=2)
    return chance.choice(_BEFORE) + text + chance.choice(_AFTER)

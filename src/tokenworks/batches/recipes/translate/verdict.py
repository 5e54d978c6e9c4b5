"""Is this the translation of that paragraph? What can be told without asking anybody."""

from __future__ import annotations

import re

from tokenworks.batches.recipes.translate import languages, numbers, segment
from tokenworks.batches.recipes.translate.languages import base
from tokenworks.routing import language as spoken
from tokenworks.routing.checks import language as surely

SHORTEST, LONGEST = 0.5, 2.3  # times the expected length
SLACK = 20  # characters by which a short paragraph may differ besides, fewer the longer it is
SAYS = 60  # characters from which on a paragraph tells its language
COPIED = 8  # words in a row that stand in both
WIDE = {"han": 2.5, "kana": 2.5, "hangul": 2.5}  # letters that a sign is worth
_WORD = re.compile(r"[^\W_]+")


def problems(source: str, said: str, from_: str, to: str) -> list[str]:
    """What is wrong with ``said`` as the translation of ``source``, a short line each."""
    if not said.strip():
        return ["it is empty"]
    found = []
    if fault := segment.fault(source, said):
        found.append(fault)
    source, said = segment.readable(source), segment.readable(said)
    if length := _length(source, said, from_, to):
        found.append(length)
    if lost := numbers.lost(source, said):
        found.append(f"the number {lost[0]} is missing")
    if left := _untranslated(source, said, from_, to):
        found.append(left)
    stars = source.count("**") - said.count("**")
    if stars and stars % 2:
        found.append("a ** is missing")
    return found


def _length(source: str, said: str, from_: str, to: str) -> str:
    usual = languages.expected(len(source), from_, to)
    slack = languages.expected(min(SLACK, 700 / max(1.0, usual)), "en", to)
    if len(said) < usual * SHORTEST - slack:
        return f"it is too short ({len(said)} characters, about {round(usual)} expected)"
    if len(said) > usual * LONGEST + slack:
        return f"it is too long ({len(said)} characters, about {round(usual)} expected)"
    return ""


def _untranslated(source: str, said: str, from_: str, to: str) -> str:
    """It is still in the language of the original, or in a third one, or has a piece of the original."""
    if base(from_) == base(to) and base(to) != "und":
        return ""
    words = _WORD.findall(source)
    plain = sum(not word[0].isupper() for word in words)  # no names; of scripts without capitals all of them
    enough = plain >= (2 if " " in source else 1)
    if source == said:
        return "it is not translated" if enough else ""
    if enough and _in_script_of(said, from_, to):
        return "it is not translated"
    if len(said) >= SAYS:
        found = surely.spoken(said)
        if found and found == base(from_) == spoken.of(said):
            return f"it is still in {languages.name(found)}"
        if (
            found
            and base(to) != "und"
            and found not in (base(from_), base(to))
            and not surely.same(found, to)
        ):
            return f"it is in {languages.name(found)}"
    return _run(words, said, to)


def _in_script_of(said: str, from_: str, to: str) -> bool:
    """More than half of its letters are of the original's script, where the two languages share none."""
    theirs, ours = languages.scripts(from_), languages.scripts(to)
    if not theirs or not ours or theirs & ours:
        return False
    words = " ".join(word for word in _WORD.findall(said) if not word[0].isupper())  # names may stay
    found = {script: len(signs.findall(words)) for script, signs in surely.COUNTED.items()}
    left = sum(count * WIDE.get(script, 1.0) for script, count in found.items() if script in theirs)
    return left * 2 > sum(count * WIDE.get(script, 1.0) for script, count in found.items())


def _run(words: list[str], said: str, to: str) -> str:
    """A row of words of the original in the translation, names apart and what is in ``to`` already."""
    theirs = _WORD.findall(said)
    rows = {tuple(theirs[at : at + COPIED]) for at in range(len(theirs) - COPIED + 1)}
    at = 0
    while at + COPIED <= len(words):
        end = at
        while tuple(words[end : end + COPIED]) in rows:
            end += 1
        if end == at:
            at += 1
            continue
        row = words[at : end + COPIED - 1]
        if sum(word.islower() for word in row) * 2 > len(row) and spoken.of(" ".join(row)) != base(to):
            return f"“{' '.join(row[:5])} …” is not translated"
        at = end
    return ""


def other_language(text: str, from_: str, to: str) -> str:
    """Of a whole part: it is in another language than it should be; empty where it can't be told."""
    found = spoken.of(text)
    if not found or base(from_) == base(to) or len(text) < SAYS:
        return ""
    if found == base(from_) != "und":
        return f"the answer is still in {languages.name(found)}"
    return ""

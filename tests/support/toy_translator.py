"""A model that "translates" into letters of another alphabet, and fails in every usual way if told to."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from tokenworks.batches.recipes.recipe import Ask, Said

WORD = re.compile(r"[^\W\d_]+")
PARAGRAPH = re.compile(r"^\[(\d+)\] (.*)$", re.MULTILINE)
NAMES = re.compile(r"as name = translation: (.*)$", re.MULTILINE)
Answer = dict[int, str]


def toy(text: str) -> str:
    """``text`` in toy Russian: a letter for a letter."""
    return WORD.sub(lambda word: "".join(_letter(sign) for sign in word.group()), text)


def _letter(sign: str) -> str:
    if not sign.isascii():
        return sign
    made = chr(0x430 + (ord(sign.lower()) - 97))
    return made.upper() if sign.isupper() else made


def asked(ask: Ask) -> Answer:
    """The paragraphs that ``ask`` wants."""
    said = ask.messages[-1]["content"].rpartition("Translate into ")[2]
    return {int(number): text for number, text in PARAGRAPH.findall(said.partition("\n\nAfter the last")[0])}


class Translator:
    """``faults``: paragraph → what to do wrong with an answer in which it stands, the first ``times``."""

    def __init__(self, faults: Mapping[int, str] | None = None, *, times: int = 1) -> None:
        self.faults = dict(faults or {})
        self.left = dict.fromkeys(self.faults, times)
        self.asks: list[Ask] = []

    def __call__(self, ask: Ask) -> Said:
        self.asks.append(ask)
        paragraphs = asked(ask)
        answer = {number: toy(text) for number, text in paragraphs.items()}
        for number, fault in self.faults.items():
            if number in answer and self.left[number] > 0:
                self.left[number] -= 1
                return FAULTS[fault](answer, paragraphs, number)
        return Said(_written(answer) + self._names(ask))

    def _names(self, ask: Ask) -> str:
        found = NAMES.search(ask.messages[-1]["content"])
        if not found:
            return ""
        return "\n\n===\n" + "\n".join(f"{name} = {toy(name)}" for name in found[1].split(", "))


def _written(answer: Answer) -> str:
    return "\n\n".join(f"[{number}] {text}" for number, text in answer.items())


def _with(answer: Answer, number: int, text: str) -> Said:
    return Said(_written({**answer, number: text}))


def _dropped(answer: Answer, paragraphs: Answer, number: int) -> Said:
    return Said(_written({each: text for each, text in answer.items() if each != number}))


def _cut_off(answer: Answer, paragraphs: Answer, number: int) -> Said:
    whole = _written(answer)
    at = whole.index(f"[{number}]") + len(answer[number]) // 2 + 6
    return Said(whole[:at], finish="length")


def _turned(answer: Answer, paragraphs: Answer, number: int) -> Said:
    return Said(_written(dict(reversed(answer.items()))))


def _twice(answer: Answer, paragraphs: Answer, number: int) -> Said:
    return Said(f"{_written(answer)}\n\n[{number}] {answer[number]}")


FAULTS: Mapping[str, Callable[[Answer, Answer, int], Said]] = {
    "dropped": _dropped,
    "cut off": _cut_off,
    "turned": _turned,
    "twice": _twice,
    "empty": lambda answer, _, number: Said(""),
    "refused": lambda answer, _, number: Said("I'm sorry, but I can't help with that request."),
    "empty paragraph": lambda answer, _, number: _with(answer, number, ""),
    "english": lambda answer, source, number: _with(answer, number, source[number]),
    "all english": lambda answer, source, number: Said(_written(source)),
    "number": lambda answer, _, number: _with(answer, number, re.sub(r"\d", "", answer[number])),
    "short": lambda answer, _, number: _with(answer, number, answer[number][: len(answer[number]) // 4]),
    "long": lambda answer, _, number: _with(answer, number, " ".join([answer[number]] * 3 + ["а" * 60])),
    "tag": lambda answer, _, number: _with(answer, number, re.sub(r"</?\d+/?>", "", answer[number])),
    "loop": lambda answer, _, number: Said(_written(answer) + " слово и дело и слово" * 60),
}

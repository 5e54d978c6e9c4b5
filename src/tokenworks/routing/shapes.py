"""What can be counted in a text without knowing its words: lengths, numbers, signs, options, negations.

The place of a figure in the array is its name: ``NAMES``. Weights are trained on that order.
"""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import NDArray

from tokenworks.routing.features import without

_NEGATIONS = frozenset(
    [
        *(
            "not",
            "except",
            "never",
            "cannot",
            "false",
            "incorrect",
            "least",
            "without",
            "no",
            "neither",
            "nor",
        ),
        *("unlikely", "isn't", "don't", "doesn't", "can't", "won't", "didn't", "aren't", "wasn't", "weren't"),
    ]
)
_NUMBER_WORDS = frozenset(
    [
        *("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "dozen", "half", "third"),
        *("quarter", "twice", "double", "triple"),
    ]
)
_RELATIONS = frozenset(
    [
        *("than", "more", "less", "fewer", "each", "per", "every", "total", "remaining", "left", "average"),
        *("difference", "rest", "ratio", "if", "then", "after", "before"),
    ]
)
_MONEY = frozenset(
    [
        "dollars",
        "dollar",
        "cost",
        "costs",
        "pay",
        "paid",
        "spend",
        "spent",
        "money",
        "earn",
        "price",
        "profit",
    ]
)
_ASKING = ("how ", "what ", "which ", "calculate ", "find ")
_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*")
_SENTENCE = re.compile(r"(?<=[.!?。！？]) ?(?=\S)")
_BLANK = '.,;:!?()[]"'
_OPTION_ENDS = (". ", ") ", ": ")
_SIGNS = "?.,\\$^=([%\"'/_;{-+*<:"
_ENDING = 300  # characters of the last sentence that are looked at

NAMES = (
    *("length", "words", "word_length", "numbers", "number_share", "digits", "longest_number", "negations"),
    *(f"sign_{ord(sign)}" for sign in _SIGNS),
    *("options", "option_length", "option_spread", "options_numeric", "stem_length"),
    *("decimals", "any_decimal", "round_cents", "any_money", "money_and_decimal", "fractions", "thousands"),
    *("cents", "percent", "number_words", "relations", "sentences", "sentence_length"),
    *("asked_numbers", "any_asked_number", "after_last_number", "money_asked", "money_asked_decimal"),
    *("ending_length", "ending_numbers", "ending_negations"),
    *("how_much", "how_many", "how_many_decimal", "why"),
    *("foreign", "distinct_words", "long_words", "very_long_words", "all_or_none", "following", "code_words"),
    *("roman_options", "blank"),
)


def shapes(text: str) -> NDArray[np.float32]:
    """The figures called ``NAMES`` of a text that was normalised before. Most are logarithms."""
    words = without(text, _BLANK).split() or [""]
    stem, options = parted(text)
    ending = _ending(stem)
    numbers = _NUMBER.findall(text)
    found = [*_lengths(text, words, numbers), *(math.log1p(text.count(sign)) for sign in _SIGNS)]
    found += _of_options(stem, options)
    found += _of_numbers(text, words, numbers)
    found += _of_sentences(text, words, ending, decimal=any("." in each for each in numbers))
    found += _of_words(text, words)
    return np.array(found, dtype=np.float32)


def parted(text: str) -> tuple[str, list[str]]:
    """What stands before the lettered options, and the options but for the last, whose end is not known."""
    for end in _OPTION_ENDS:
        at, marks = 0, []
        for letter in "abcdefghij":
            at = text.find(f" {letter}{end}", at)
            if at < 0:
                break
            marks.append(at)
        if len(marks) > 2:
            begins = [mark + 2 + len(end) for mark in marks]
            return text[: marks[0]], [text[one:two] for one, two in zip(begins, marks[1:], strict=False)]
    return text, []


def _ending(stem: str) -> str:
    parts = _SENTENCE.split(stem.strip()[-2 * _ENDING :])
    return parts[-1][-_ENDING:]


def _lengths(text: str, words: list[str], numbers: list[str]) -> list[float]:
    sizes = [len(each) for each in numbers]
    return [
        math.log1p(len(text)),
        math.log1p(len(words)),
        len(text) / len(words),
        math.log1p(len(numbers)),
        len(numbers) / len(words),
        math.log1p(sum(sizes)),
        float(max(sizes, default=0)),
        float(_among(words, _NEGATIONS)),
    ]


def _of_options(stem: str, options: list[str]) -> list[float]:
    if not options:
        return [0.0, 0.0, 0.0, 0.0, math.log1p(len(stem))]
    sizes = [len(each) for each in options]
    numeric = sum(any(map(str.isdigit, each)) for each in options) / len(options)
    return [
        len(options) + 1.0,
        math.log1p(sum(sizes) / len(sizes)),
        math.log1p(max(sizes) - min(sizes)),
        numeric,
        math.log1p(len(stem)),
    ]


def _of_numbers(text: str, words: list[str], numbers: list[str]) -> list[float]:
    decimals = [each for each in numbers if "." in each]
    money = "$" in text
    return [
        math.log1p(len(decimals)),
        float(bool(decimals)),
        math.log1p(sum(each.endswith((".00", ".0")) for each in decimals)),
        float(money),
        float(money and bool(decimals)),
        math.log1p(len(re.findall(r"\d/\d", text)) if "/" in text else 0),
        math.log1p(sum(len(each.partition(".")[0]) > 3 for each in numbers)),
        float("cent" in text),
        float("%" in text or "percent" in text),
        math.log1p(_among(words, _NUMBER_WORDS)),
        math.log1p(_among(words, _RELATIONS)),
    ]


def _of_sentences(text: str, words: list[str], ending: str, *, decimal: bool) -> list[float]:
    sentences = text.count(". ") + text.count("? ") + text.count("! ") + 1
    return [
        math.log1p(sentences),
        len(words) / sentences / 20,
        *_of_asking(ending, decimal=decimal),
        math.log1p(len(ending)),
        math.log1p(len(_NUMBER.findall(ending))),
        math.log1p(_among(ending.split(), _NEGATIONS)),
        float("how much" in ending),
        float("how many" in ending),
        float("many" in ending and decimal),
        float("why" in ending or "explain" in ending),
    ]


def _of_asking(ending: str, *, decimal: bool) -> list[float]:
    """What stands in the question itself: behind its last question word, in the last sentence."""
    begins = max(ending.rfind(word) for word in _ASKING)
    asked = ending[max(begins, 0) :]
    numbers = [found.end() for found in _NUMBER.finditer(asked)]
    money = "$" in asked or not _MONEY.isdisjoint(asked.replace("?", " ").split())
    return [
        math.log1p(len(numbers)),
        float(bool(numbers)),
        math.log1p(len(asked) - numbers[-1]) if numbers else 6.0,
        float(money),
        float(money and decimal),
    ]


def _of_words(text: str, words: list[str]) -> list[float]:
    foreign = 0.0 if text.isascii() else len(text.encode("utf-8", "surrogatepass")) / len(text) - 1
    long = [size for size in map(len, words) if size > 9]
    return [
        foreign,
        len(set(words)) / len(words),
        math.log1p(len(long)),
        math.log1p(sum(size > 12 for size in long)),
        float("none of the" in text or "all of the" in text or "both" in words),
        float("following" in words),
        math.log1p(text.count(" def ") + text.count("return")),
        float(" ii" in text),
        float("__" in text),
    ]


def _among(words: list[str], wanted: frozenset[str]) -> int:
    return sum(map(wanted.__contains__, words))

"""What can be counted in a text without knowing its words: lengths, numbers, signs, options, negations.

The place of a figure in the array is its name: ``NAMES``. Weights are trained on that order.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

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
_KINDS = {
    **dict.fromkeys(_NEGATIONS, "negation"),
    **dict.fromkeys(_NUMBER_WORDS, "number"),
    **dict.fromkeys(_RELATIONS, "relation"),
}
_ASKING = ("how ", "what ", "which ", "calculate ", "find ")
_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*")
_NUMBER_BYTES = re.compile(_NUMBER.pattern.encode())
_FRACTION = re.compile(r"\d/\d")
_DIGITS = b"0123456789"
_OF_NUMBERS = _DIGITS + b".,"
_ONLY_NUMBERS = bytes(each if each in _OF_NUMBERS else 0x20 for each in range(256))
_STOPS = ".!?。！？"
_BLANK = '.,;:!?()[]"'
_OPTION_ENDS = (". ", ") ", ": ")
_SIGNS = "?.,\\$^=([%\"'/_;{-+*<:"
_PLACES = np.array([ord(sign) for sign in _SIGNS])
_DOLLAR, _PERCENT = _SIGNS.index("$"), _SIGNS.index("%")
_ENDING = 300  # characters of the last sentence that are looked at
_NONE_ASKED = math.expm1(6)  # as far as if a number stood so many characters before the end

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


_AS_COUNTED = frozenset(
    [
        *("word_length", "number_share", "longest_number", "negations", "options", "options_numeric"),
        *("any_decimal", "any_money", "money_and_decimal", "cents", "percent", "sentence_length"),
        *(
            "any_asked_number",
            "money_asked",
            "money_asked_decimal",
            "how_much",
            "how_many",
            "how_many_decimal",
        ),
        *("why", "foreign", "distinct_words", "all_or_none", "following", "roman_options", "blank"),
    ]
)
_LOGARITHMS = np.array([name not in _AS_COUNTED for name in NAMES])


def shapes(text: str) -> NDArray[np.float32]:
    """The figures called ``NAMES`` of a text that was normalised before. Most are logarithms."""
    encoded = text.encode("utf-8", "surrogatepass")
    signs = np.bincount(np.frombuffer(encoded, dtype=np.uint8), minlength=256)[_PLACES].tolist()
    words = without(text, _BLANK).split() or [""]
    kinds = list(filter(None, map(_KINDS.get, words)))
    numbers = _numbers(encoded)
    decimals = [each for each in numbers if b"." in each]
    stem, options = parted(text)
    ending = _ending(stem)
    found = np.array(
        [
            *_lengths(text, words, numbers),
            kinds.count("negation"),
            *signs,
            *_of_options(stem, options),
            *_of_numbers(text, numbers, decimals, money=signs[_DOLLAR] > 0, percent=signs[_PERCENT] > 0),
            kinds.count("number"),
            kinds.count("relation"),
            *_of_sentences(text, words, ending, decimal=bool(decimals)),
            len(encoded) / len(text) - 1 if text else 0,
            *_of_words(text, words),
        ]
    )
    np.log1p(found, out=found, where=_LOGARITHMS)
    return found.astype(np.float32)


@lru_cache(maxsize=1)  # the type of task asks for the same text
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
    """The last sentence: what stands behind the last stop that something follows."""
    tail = stem.strip()[-2 * _ENDING :]
    stop = max(tail.rfind(each, 0, -1) for each in _STOPS)
    return tail[stop + 1 :].removeprefix(" ")[-_ENDING:] if stop >= 0 else tail[-_ENDING:]


def _numbers(encoded: bytes) -> list[bytes]:
    """Looking only at what may be of one is several times faster than looking at all of the text."""
    return _NUMBER_BYTES.findall(b" ".join(encoded.translate(_ONLY_NUMBERS).split()))


def _lengths(text: str, words: list[str], numbers: list[bytes]) -> tuple[float, ...]:
    sizes = [len(each) for each in numbers]
    return (
        len(text),
        len(words),
        len(text) / len(words),
        len(numbers),
        len(numbers) / len(words),
        sum(sizes),
        max(sizes, default=0),
    )


def _of_options(stem: str, options: list[str]) -> tuple[float, ...]:
    if not options:
        return 0, 0, 0, 0, len(stem)
    sizes = [len(each) for each in options]
    numeric = sum(map(_has_digit, options)) / len(options)
    return len(options) + 1, sum(sizes) / len(sizes), max(sizes) - min(sizes), numeric, len(stem)


def _has_digit(text: str) -> bool:
    if text.isascii():
        return len(text.encode().translate(None, _DIGITS)) < len(text)
    return any(map(str.isdigit, text))


def _of_numbers(
    text: str, numbers: list[bytes], decimals: list[bytes], *, money: bool, percent: bool
) -> tuple[float, ...]:
    cent = "cent" in text
    return (
        len(decimals),
        bool(decimals),
        sum(each.endswith((b".00", b".0")) for each in decimals),
        money,
        money and bool(decimals),
        len(_FRACTION.findall(text)) if "/" in text else 0,
        sum(len(each.partition(b".")[0]) > 3 for each in numbers),
        cent,
        percent or (cent and "percent" in text),
    )


def _of_sentences(text: str, words: list[str], ending: str, *, decimal: bool) -> tuple[float, ...]:
    sentences = text.count(". ") + text.count("? ") + text.count("! ") + 1
    negations = sum(map(_NEGATIONS.__contains__, ending.split()))
    return (
        sentences,
        len(words) / sentences / 20,
        *_of_asking(ending, decimal=decimal),
        len(ending),
        len(_NUMBER.findall(ending)),
        negations,
        "how much" in ending,
        "how many" in ending,
        "many" in ending and decimal,
        "why" in ending or "explain" in ending,
    )


def _of_asking(ending: str, *, decimal: bool) -> tuple[float, ...]:
    """What stands in the question itself: behind its last question word, in the last sentence."""
    begins = max(ending.rfind(word) for word in _ASKING)
    asked = ending[max(begins, 0) :]
    numbers = [found.end() for found in _NUMBER.finditer(asked)]
    money = "$" in asked or not _MONEY.isdisjoint(asked.replace("?", " ").split())
    return (
        len(numbers),
        bool(numbers),
        len(asked) - numbers[-1] if numbers else _NONE_ASKED,
        money,
        money and decimal,
    )


def _of_words(text: str, words: list[str]) -> tuple[float, ...]:
    distinct = set(words)
    long = [size for size in map(len, words) if size > 9]
    return (
        len(distinct) / len(words),
        len(long),
        sum(size > 12 for size in long),
        "none of the" in text or "all of the" in text or "both" in distinct,
        "following" in distinct,
        text.count(" def ") + text.count("return"),
        " ii" in text,
        "__" in text,
    )

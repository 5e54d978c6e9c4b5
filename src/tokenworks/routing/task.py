"""What type of task a prompt is: a few telling words, where they stand, and the shape of the text.

Rules of our own in several languages, no model: it must cost next to nothing, say the same for the same
words, and be readable when it is wrong. The words stand in ``cues.py``.
"""

from __future__ import annotations

import math
import re

from tokenworks.routing.cues import FIRSTS, IDEOGRAPHIC, PAIRS, WORDS
from tokenworks.routing.features import without
from tokenworks.routing.shapes import parted

TASKS = (
    *("agent", "chat", "classification", "code", "extraction", "knowledge", "math", "reasoning", "roleplay"),
    *("summary", "translation", "writing"),
)

_HEAD, _TAIL = 500, 300  # characters: what is to be done is said at the beginning, or at the end
_FIRST = 8  # words of the head that weigh more: an order begins with its verb
_BOOST = 1.6
_BLANK = ".,;:!?()[]{}\"'¿¡«»/\\*#-"
_IDEOGRAPHS = min(IDEOGRAPHIC)
_TELLING = WORDS.keys() | FIRSTS
# Each behind a character of it that few texts have: to look for that one is cheaper.
_CODE = (
    *(("'", "'''"), ("#", "#include"), ("*", "select *")),
    *(("<", "<div"), ("<", "<html"), ("<", "</")),
    *(("{", "=> {"), ("{", "() {")),
    *(("(", "function("), ("(", "();"), ("(", "traceback (")),
    *((".", "console.log"), (".", ".py "), (".", ".js "), (".", ".ts "), (".", ".rs ")),
    *((" ", "def "), (" ", "import "), (" ", "npm "), (" ", "public class"), (" ", "public static")),
)
_FORMULA = (
    *(("\\", each) for each in ("\\frac", "\\sqrt", "\\sum", "\\int", "\\text", "\\le", "\\cdot")),
    *(("^", "x^2"), ("^", "^{"), ("=", "x ="), ("=", "= x"), ("(", "sin("), ("(", "f(x)")),
)
_SUM = re.compile(r"\d ?[-+*/=^×÷] ?[\dx]")
_QUANTITY = re.compile(r"\d")


def task_of(text: str) -> tuple[str, float]:
    """The likeliest of ``TASKS`` for a text that was normalised, and P(it is that)."""
    return best(scores(text))


def best(found: dict[str, float]) -> tuple[str, float]:
    """The highest of ``scores`` and its share of all, as a softmax."""
    task = max(found, key=lambda each: (found[each], each == "chat"))
    top = found[task]
    return task, 1 / sum(math.exp(score - top) for score in found.values())


def scores(text: str) -> dict[str, float]:
    """How much speaks for each of ``TASKS``; 0: nothing. ``text`` was normalised."""
    found = dict.fromkeys(TASKS, 0.0)
    found["chat"] = 0.8  # what nothing else speaks for
    head = text[:_HEAD]
    ends = head if len(text) <= _HEAD else f"{head} {text[-_TAIL:]}"
    words = without(ends, _BLANK).split()
    seen = set()
    for place in [place for place, word in enumerate(words) if word in _TELLING]:
        word = words[place]
        if word in WORDS and word not in seen:
            seen.add(word)
            _tell(found, WORDS[word], place)
        if word in FIRSTS and place + 1 < len(words):
            pair = f"{word} {words[place + 1]}"
            if pair in PAIRS and pair not in seen:
                seen.add(pair)
                _tell(found, PAIRS[pair], place + 1)
    if not text.isascii() and max(ends, default="") >= _IDEOGRAPHS:
        for piece, told in IDEOGRAPHIC.items():
            if piece in ends:
                for task, weight in told:
                    found[task] += weight * (_BOOST if piece in ends[:20] else 1.0)
    _add_shapes(found, text, ends, len(words))
    return found


def _tell(found: dict[str, float], told: tuple[tuple[str, float], ...], place: int) -> None:
    for task, weight in told:
        found[task] += weight * (_BOOST if place < _FIRST else 1.0)


def _add_shapes(found: dict[str, float], text: str, ends: str, words: int) -> None:
    """What the form of the text tells: code, formulas, lettered options, numbers with a question."""
    if any(rare in ends and sign in ends for rare, sign in _CODE):
        found["code"] += 1.8
    if any(rare in ends and sign in ends for rare, sign in _FORMULA) or _SUM.search(ends):
        found["math"] += 1.6
    options = parted(text)[1]
    if options:
        found["knowledge"] += 2.2
    asks = "how many" in ends or "how much" in ends or "多少" in ends or "how long" in ends
    if asks and len(_QUANTITY.findall(ends)) >= 2 and not options:
        found["math"] += 2.4
    if words < 6 and not any(found[task] for task in TASKS if task != "chat"):
        found["chat"] += 1.0

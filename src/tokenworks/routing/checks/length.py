"""Is the answer as long as it was asked to be?"""

from __future__ import annotations

import re

from tokenworks.routing.checks.finding import Answer, Expected, Finding

ASKED = re.compile(
    r"\b(?P<how>at\s+least|no\s+(?:less|fewer)\s+than|minimum(?:\s+of)?|at\s+most|no\s+more\s+than|up\s+to|under"
    r"|fewer\s+than|less\s+than|maximum(?:\s+of)?|exactly|within|in|about|around|approximately)"
    r"\s+(?P<n>\d{1,5}|one|two|three|four|five|ten)\s*(?:-\s*)?(?P<unit>words?|sentences?|paragraphs?)\b",
    re.IGNORECASE,
)
NAMES = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "ten": 10}
LEAST = ("at least", "no less", "no fewer", "minimum")
MOST = ("at most", "no more", "up to", "under", "fewer", "less", "maximum", "within")
SLACK = 0.5  # how far from the asked length still passes: people count badly, and so do models
PARAGRAPH = re.compile(r"\n\s*\n")
SENTENCE = re.compile(r"[.!?。！？]+(?:\s|$)")


def check(answer: Answer, expected: Expected) -> Finding | None:
    """A doubt where the answer is far from the length that the prompt names; None where it names none."""
    found = list(ASKED.finditer(expected.prompt[-2000:]))
    if len(found) != 1:  # several lengths are for several parts
        return None
    how = " ".join(found[0]["how"].lower().split())
    digits = found[0]["n"].lower()
    asked = NAMES.get(digits) or int(digits)
    unit = found[0]["unit"].lower().rstrip("s")
    if asked == 0:
        return None
    has = count(answer.text, unit)
    short = not how.startswith(MOST) and has < asked * SLACK
    long = not how.startswith(LEAST) and has > asked / SLACK + 1
    if short or long:
        return Finding("length", False, False, f"{has} {unit}s where {how} {asked} were asked for")
    return Finding("length", True)


def count(text: str, unit: str) -> int:
    """How many words, sentences or paragraphs ``text`` has. Ideographs count as words."""
    if unit == "word":
        signs = sum("\u3040" <= c <= "\u9fff" for c in text)
        return signs or len(text.split())
    if unit == "sentence":
        return len(SENTENCE.findall(text)) or bool(text.strip())
    return sum(bool(part.strip()) for part in PARAGRAPH.split(text))

"""Does the answer run in a loop?"""

from __future__ import annotations

from collections import Counter

from tokenworks.routing.checks.finding import Answer, Expected, Finding

LEAST = 200  # characters: shorter answers don't loop
TAIL = 4000  # characters looked at: a loop goes on until the end
TIMES = 4  # how often the same piece stands at the end
LINES = 12  # from that many lines on their variety is judged
WORDS = 120  # the same for words


def check(answer: Answer, expected: Expected) -> Finding | None:
    """Fatal where the end is one piece again and again, a doubt where few different lines or words stand."""
    text = answer.text.rstrip()
    if len(text) < LEAST:
        return None
    tail = text[-TAIL:]
    period = loop(tail)
    if period:
        piece = " ".join(tail[-period:].split())[:40]
        return Finding("repetition", False, True, f"it ends in a loop of “{piece}”")
    lines = [line.strip() for line in tail.splitlines() if len(line.strip()) > 8]
    if len(lines) >= LINES:
        line, times = Counter(lines).most_common(1)[0]
        if times > len(lines) / 3:
            return Finding("repetition", False, False, f"one line stands there {times} times: “{line[:40]}”")
    words = tail.split()
    if len(words) >= WORDS and len(set(words)) < len(words) / 6:
        return Finding("repetition", False, False, f"only {len(set(words))} different words in {len(words)}")
    return Finding("repetition", True)


def loop(text: str) -> int:
    """Length of the piece that ``text`` ends with TIMES times or more; 0 where there is none.

    A row of one character (a rule of a table, "====") is no loop, and neither is a short one: together
    the pieces must be longer than 80 characters.
    """
    end = text[-8:]
    if len(end) < 8:
        return 0
    at = text.rfind(end, 0, len(text) - 1)
    tries = 0
    while at >= 0 and tries < 40:
        period = len(text) - 8 - at
        if period * TIMES > len(text):
            return 0
        whole = period * max(TIMES, 80 // period + 1)
        if whole <= len(text):
            piece = text[-period:]
            if text[-whole:] == piece * (whole // period) and len(set(piece.strip())) > 2:
                return period
        at = text.rfind(end, 0, at + 7)
        tries += 1
    return 0

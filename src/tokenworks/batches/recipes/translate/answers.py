"""An answer as paragraphs by number, and what it says of names."""

from __future__ import annotations

import re

MARKER = re.compile(
    r"^[ \t>*_#]*(?:[\[【［]\s*(\d{1,6})\s*[\]】］](?:\*\*|__)?[:.]?|(\d{1,6})(?:[:)]|\.(?=\s)))[ \t]*",
    re.MULTILINE,
)
NAMES = re.compile(
    r"^[ \t]*(?:={3,}|-{3,}|\*{3,}|[#*\s]*(?:names|terms|glossary)\s*:?[*\s]*)[ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)
_FENCE = re.compile(r"^```\w*\n(.*)\n```\s*$", re.DOTALL)
_THOUGHT = re.compile(r"^\s*<think>.*?</think>\s*", re.DOTALL)


def read(text: str, wanted: list[int]) -> tuple[dict[int, str], list[int], str]:
    """Paragraphs by number (the first of each, on one line), all numbers in their order, the part with names.

    Where one paragraph was asked for and no number stands there, all of it is that paragraph.
    """
    text = _THOUGHT.sub("", text).strip()
    if fenced := _FENCE.match(text):
        text = fenced.group(1)
    marks = [match for match in MARKER.finditer(text) if _number(match) in wanted]
    names = next((m for m in NAMES.finditer(text) if not marks or m.start() > marks[-1].start()), None)
    end = names.start() if names else len(text)
    told = text[names.end() :] if names else ""
    if not marks:
        whole = " ".join(text[:end].split())
        return ({wanted[0]: whole}, wanted, told) if len(wanted) == 1 and whole else ({}, [], told)
    found: dict[int, str] = {}
    for index, mark in enumerate(marks):
        last = marks[index + 1].start() if index + 1 < len(marks) else end
        found.setdefault(_number(mark), " ".join(text[mark.end() : last].split()))
    return found, [_number(mark) for mark in marks], told


def _number(match: re.Match[str]) -> int:
    return int(match[1] or match[2])


def disorder(order: list[int], wanted: list[int]) -> list[str]:
    """What is wrong with the numbers of an answer, a line each."""
    found = []
    for number in wanted:
        times = order.count(number)
        if times > 1:
            found.append(f"[{number}] stands there {times} times")
    first = list(dict.fromkeys(order))
    if first != [number for number in wanted if number in first]:
        found.append("the paragraphs are not in their order")
    return found

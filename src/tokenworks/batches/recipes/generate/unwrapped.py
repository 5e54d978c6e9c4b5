"""The file that an answer holds, without the fences and the talk around it."""

from __future__ import annotations

import re
from collections.abc import Callable

from tokenworks.batches.recipes.generate import languages

_LEFT_OUT = re.compile(
    r"^[ \t]*(?:#|//|/\*|--|<!--)[ \t]*(?:\.\.\.|…|(?:the )?rest of (?:the|your)\b"
    r"|(?:existing|previous) code\b|your code here\b|implementation goes here\b)[^\n]*",
    re.IGNORECASE | re.MULTILINE,
)

_FENCE = re.compile(r" {0,3}(```+|~~~+)[ \t]*([\w+#.-]*)")
WAYS = 8  # of reading an answer that are tried: each may start a parser


def code(text: str, language: str, fault: Callable[[str], str]) -> tuple[str, list[str]]:
    """The code in ``text``, and what is wrong with it.

    ``fault`` says what is wrong with a piece of code. Of several ways to read the answer the first without a
    fault is taken: all of it as one block, each block (the right language first, then the longest), as it is.
    """
    ways = _ways(text, language)
    if not ways:
        return "", ["there is no code in it"]
    first: tuple[str, list[str]] | None = None
    for label, piece in ways:
        piece = piece.strip("\r\n").rstrip() + "\n"
        if languages.other(label, language):
            wrong = [f"it is {languages.named(label)}, {language} was asked for"]
        else:
            wrong = [said] if (said := fault(piece)) else []
        if found := _LEFT_OUT.search(piece):
            wrong.append(f"it leaves code out: “{found.group().strip()[:60]}”")
        if not wrong:
            return piece, []
        first = first or (piece, wrong)
    assert first is not None
    return first


def _ways(text: str, language: str) -> list[tuple[str, str]]:
    """(label, code) of each way to read ``text``, the likeliest first."""
    bare = text.strip()
    if not bare:
        return []
    blocks, whole = _blocks(bare)
    if language == "markdown" and not whole:
        return [("", bare)]  # fences are part of it
    blocks.sort(key=lambda block: (languages.other(block[0], language), -len(block[1])))
    ways = [*whole, *(block for block in blocks if block[1].strip())]
    return ways[:WAYS] or [("", bare)]


def _blocks(text: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(label, code) of each fenced block; and all of ``text`` as one, where it is one. In one pass."""
    found: list[tuple[str, str]] = []
    lines = text.splitlines(keepends=True)
    begun: re.Match[str] | None = None
    first = 0
    for at, line in enumerate(lines):
        mark = _FENCE.match(line)
        if mark is None:
            continue
        if begun is None:
            begun, first = mark, at + 1
        elif not mark[2] and mark[1][0] == begun[1][0] and len(mark[1]) >= len(begun[1]):
            found.append((begun[2], "".join(lines[first:at])))
            begun = None
    head, tail = _FENCE.match(lines[0]), _FENCE.match(lines[-1])
    one = head is not None and tail is not None and len(lines) > 1 and not tail[2]
    return found, [(head[2], "".join(lines[1:-1]))] if one and head else []

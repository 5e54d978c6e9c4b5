"""Does the answer stop before its end?"""

from __future__ import annotations

import re

from tokenworks.routing.checks.finding import Answer, Expected, Finding

CUT = {"length", "max_tokens", "max_output_tokens", "incomplete"}
FENCE = re.compile(r"^ {0,3}(```+|~~~+)", re.MULTILINE)
ENDS = frozenset(".!?…。！？:;)]}>\"'”’`*_|~$%，」』）】》、؟।")
PROSE = 400  # characters from which on prose is expected to end like a sentence
HANGING = re.compile(
    r"(?:[,;(\[{=+\-–—/]|\b(?:and|or|the|a|an|of|to|with|und|oder|der|die|das|et|ou|y))$", re.IGNORECASE
)


def check(answer: Answer, expected: Expected) -> Finding | None:
    """Fatal where the wire says so or a code fence is left open; a doubt where the last sentence hangs.

    A limit of the caller's own would cut a stronger model's answer too, so that is no more than a doubt.
    """
    if answer.finish in CUT:
        return Finding("truncation", False, expected.max_output_tokens is None, f"cut off ({answer.finish})")
    text = answer.text.rstrip()
    if open_fence(text):
        return Finding("truncation", False, True, "a code block is never closed")
    if len(text) >= PROSE and text[-1] not in ENDS and HANGING.search(text[-20:]):
        return Finding("truncation", False, False, "the last sentence has no end")
    return Finding("truncation", True)


def open_fence(text: str) -> bool:
    """Is a fenced block left open? A fence is closed by one of the same sign that is at least as long."""
    inside = ""
    for match in FENCE.finditer(text):
        mark = match.group(1)
        if not inside:
            inside = mark
        elif mark[0] == inside[0] and len(mark) >= len(inside):
            inside = ""
    return bool(inside)

"""Is there an answer at all?"""

from __future__ import annotations

from tokenworks.routing.checks.finding import Answer, Expected, Finding


def check(answer: Answer, expected: Expected) -> Finding | None:
    """Fatal where there is neither text nor a tool call. None for an answer that says something."""
    if answer.tool_calls or answer.text.strip():
        return None
    return Finding("emptiness", False, True, "no text and no tool call")

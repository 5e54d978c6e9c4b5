"""Opaque reasoning and whose it is: what one maker signed, another refuses.

The words for makers' formats are those of ``reasoning_details``. Where a wire has no place for the word,
what comes from elsewhere is sealed: the word stands before it. What bears none is of the wire's own maker.
"""

from __future__ import annotations

import re

MESSAGES = "anthropic-claude-v1"
RESPONSES = "openai-responses-v1"

_SEAL = re.compile(r"([A-Za-z0-9][A-Za-z0-9.-]*-v\d+):")


def sealed(opaque: str, format: str, own: str) -> str:
    """``opaque`` of a maker's ``format`` for a place on a wire whose own format is ``own``."""
    return f"{format}:{opaque}" if opaque and format and format != own else opaque


def unsealed(opaque: str, own: str) -> tuple[str, str]:
    """What ``sealed`` was given, and its format."""
    match = _SEAL.match(opaque)
    if match:
        return opaque[match.end() :], match.group(1)
    return opaque, own if opaque else ""

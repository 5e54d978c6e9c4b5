"""Is the answer JSON, and of the schema that was asked for?"""

from __future__ import annotations

import json
from typing import Any

from tokenworks.routing.checks.code import FENCED
from tokenworks.routing.checks.finding import Answer, Expected, Finding
from tokenworks.routing.checks.validation import fault

LARGEST = 1_000_000  # characters


def check(answer: Answer, expected: Expected) -> Finding | None:
    """Fatal where JSON was asked for and something else came; None where none was asked for."""
    if not expected.json and expected.schema is None:
        return None
    if len(answer.text) > LARGEST:
        return None
    try:
        value = parse(answer.text)
    except (ValueError, RecursionError) as error:
        return Finding("json", False, True, f"no JSON: {str(error) or 'nested too deeply'}")
    if expected.schema is None:
        return Finding("json", True)
    wrong = fault(value, expected.schema)
    if wrong:
        return Finding("schema", False, True, wrong)
    return Finding("schema", True)


def parse(text: str) -> Any:
    """The value that ``text`` holds, bare or as its only fenced block.

    Raises ValueError, also for NaN and Infinity, which JSON doesn't know.
    """
    bare = text.strip()
    if bare.startswith("```") and (match := FENCED.fullmatch(bare)):
        bare = match[2]
    return json.loads(bare, parse_constant=_refused)


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")

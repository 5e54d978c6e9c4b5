"""Free checks of an answer: what can be told without asking anybody.

Each file holds one check, a function ``check(answer, expected)`` that returns a finding, or None where it
has nothing to say. None of them runs what the model wrote; ``given_tests`` does, and is never called here.
"""

from __future__ import annotations

from tokenworks.routing.checks import (
    code,
    emptiness,
    json_schema,
    language,
    length,
    logprob,
    refusal,
    repetition,
    truncation,
)
from tokenworks.routing.checks.finding import Answer, Expected, Finding

CHECKS = (
    emptiness.check,
    truncation.check,
    refusal.check,
    repetition.check,
    json_schema.check,
    code.check,
    language.check,
    length.check,
    logprob.check,
)
LONGEST = 200_000  # characters that are looked at


def run(answer: Answer, expected: Expected) -> tuple[Finding, ...]:
    """What every check found, in the order of CHECKS. Tool calls alone have no text to check."""
    if answer.tool_calls and not answer.text.strip():
        found = truncation.check(answer, expected)
        return () if found is None else (found,)
    if len(answer.text) > LONGEST and not (expected.json or expected.schema):
        answer = Answer(answer.text[-LONGEST:], answer.finish, answer.tool_calls, answer.mean_logprob)
    return tuple(found for check in CHECKS if (found := check(answer, expected)) is not None)


__all__ = ["CHECKS", "Answer", "Expected", "Finding", "run"]

"""What can be wrong with any answer, whatever was asked for: nothing said, cut off, declined, in a loop."""

from __future__ import annotations

from collections.abc import Sequence

from tokenworks.batches.recipes.recipe import Checked, Said
from tokenworks.routing.checks import emptiness, refusal, repetition, truncation
from tokenworks.routing.checks.finding import Answer, Expected


def faults(said: Said, prompt: str = "", *, prose: bool = True) -> list[str]:
    """What is wrong with ``said``, a line each. ``prose`` False: code and data may repeat and decline."""
    answer, expected = Answer(said.text, said.finish), Expected(prompt=prompt[:8000])
    checks = [emptiness.check, truncation.check]
    if prose:
        checks += [refusal.check, repetition.check]
    found = [finding for check in checks if (finding := check(answer, expected)) is not None]
    return [finding.detail for finding in found if not finding.ok and finding.fatal]


def told(tries: Sequence[Checked]) -> str:
    """What to say to a model that is asked again: what was wrong with the last answer; empty at first."""
    if not tries:
        return ""
    wrong = "; ".join(problem[:400] for problem in tries[-1].problems[:5])
    return f"An earlier answer to this could not be used: {wrong}. Answer again without that mistake."

"""Efforts and budgets stand for one another."""

from __future__ import annotations

import pytest

from tokenworks.errors import BadRequest
from tokenworks.wire.conversation import Reasoning
from tokenworks.wire.effort import SHARES, budget_of, effort_of, known, thinks


@pytest.mark.parametrize(
    ("reasoning", "on"),
    [
        (None, None),
        (Reasoning(), None),
        (Reasoning(exclude=True, summary="auto"), None),
        (Reasoning(True), True),
        (Reasoning(effort="minimal"), True),
        (Reasoning(max_tokens=1), True),
        (Reasoning(False), False),
        (Reasoning(False, "high"), False),
        (Reasoning(True, "none"), False),
        (Reasoning(max_tokens=0), False),
    ],
)
def test_whether_thinking_is_asked_for(reasoning: Reasoning | None, on: bool | None) -> None:
    assert thinks(reasoning) is on


@pytest.mark.parametrize(
    ("reasoning", "effort"),
    [
        (Reasoning(True), ""),
        (Reasoning(False, "high"), "none"),
        (Reasoning(effort="max"), "max"),
        (Reasoning(effort="low", max_tokens=9500), "low"),
        (Reasoning(max_tokens=100), "minimal"),
        (Reasoning(max_tokens=2400), "low"),
        (Reasoning(max_tokens=5000), "medium"),
        (Reasoning(max_tokens=8500), "high"),
        (Reasoning(max_tokens=9200), "xhigh"),
        (Reasoning(max_tokens=90_000), "xhigh"),
    ],
)
def test_efforts_of_ten_thousand_tokens(reasoning: Reasoning, effort: str) -> None:
    assert effort_of(reasoning, 10_000) == effort


@pytest.mark.parametrize("effort", SHARES)
def test_a_budget_says_the_effort_it_was_made_of(effort: str) -> None:
    budget = budget_of(Reasoning(effort=effort), 64_000)
    assert budget == int(64_000 * SHARES[effort])
    assert effort_of(Reasoning(max_tokens=budget), 64_000) == ("xhigh" if effort == "max" else effort)


def test_budgets() -> None:
    assert budget_of(Reasoning(effort="low"), 2000) == 1024, "less is refused"
    assert budget_of(Reasoning(effort="low", max_tokens=77), 2000) == 77, "what was said counts"
    assert budget_of(Reasoning(True), 2000) is None


def test_known_efforts() -> None:
    assert known("HIGH") == "high"
    assert known("") == ""
    with pytest.raises(BadRequest, match="'ultra' is unknown; it is one of none, minimal, low"):
        known("ultra")

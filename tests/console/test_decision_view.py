"""A decision in the order in which people ask about it."""

from __future__ import annotations

from tokenworks.console.decision_view import foretold, view
from tokenworks.ledger.decided import DecisionRow
from tokenworks.routing import decision


def row(detail: bytes, baseline: int = 4_000_000) -> DecisionRow:
    return DecisionRow(
        *("gen-1-a", 7, "k", "app", "code", "direct", "a/b", "c/d", 0.9, 1_000_000, baseline, detail)
    )


def test_what_was_kept_is_told() -> None:
    told = view(row(decision.encode(decision.Decision("code", "direct", "c/d", "cheap enough"))))
    assert told.whole and told.story["why"] == "cheap enough" and told.model == "a/b"
    assert (told.cost_usd, told.saved_usd, told.saved_share) == (0.001, 0.003, 0.75)
    assert "vector" not in told.story


def test_of_another_version_the_columns_are_told() -> None:
    told = view(row(b"\xff", baseline=0))
    assert not told.whole and told.story["task"] == "code" and told.story["strong"] == "c/d"
    assert told.story["candidates"] == [] and told.saved_share is None and told.saved_usd == -0.001


def test_what_would_be_done_is_told_alike() -> None:
    story = decision.story(
        decision.Decision(
            *("code", "cascade", "c/d", ""),
            (decision.Candidate("a/b", 0.5, 0.001, propensity=0.9), decision.Candidate("c/d", 0.8, 0.004)),
            expected_cost_usd=0.002,
        )
    )
    told = foretold({**story, "asks": ["a/b", "c/d"]})
    assert (told.id, told.cost_usd, told.always_strong_usd, told.propensity) == ("", 0.002, 0.004, 0.9)

"""What is learnt of the models that were asked: from comparisons, from checks, and nothing from silence."""

import random
from collections import defaultdict

import pytest

from tokenworks.routing import observed as module
from tokenworks.routing.decision import Candidate, Decision, Step
from tokenworks.routing.observed import AGREEMENT_WEIGHT, CHECKS_WEIGHT, SAME_MISTAKE, observed

CANDIDATES = (Candidate("a", 0.7, 0.01), Candidate("b", 0.6, 0.01), Candidate("s", 0.9, 1.0))


def decision(*steps: Step) -> Decision:
    return Decision("code", "cascade", "s", "", CANDIDATES, steps)


def test_an_unchecked_or_failed_answer_tells_nothing() -> None:
    assert observed(decision(Step("a", "1", "served"), Step("s", "2", "failed"))) == ()
    assert observed(decision()) == ()


def test_checks_count_the_same_however_they_end() -> None:
    for right in (0.0, 0.9):
        (found,) = observed(decision(Step("a", "1", "accepted", right=right)))
        assert (found.model, found.right, found.weight) == ("a", right, CHECKS_WEIGHT)


def test_a_comparison_tells_of_both() -> None:
    """Equal answers are right together, as likely as was worked out; of two that differ one at most is."""
    first = Step("a", "1", "doubted", right=0.7)
    one, other = observed(decision(first, Step("b", "2", "accepted", right=0.93, agrees=1.0)))
    assert (one.model, other.model, one.weight, other.weight) == ("a", "b", *[AGREEMENT_WEIGHT] * 2)
    assert one.right == other.right == 0.93
    one, other = observed(decision(first, Step("b", "2", "doubted", right=0.6, agrees=0.0)))
    assert 0.4 < one.right < 0.6 and 0.25 < other.right < one.right
    assert one.right + other.right < 1
    failed = observed(decision(first, Step("x", "0", "failed"), Step("b", "2", "accepted", agrees=1.0)))
    assert [each.model for each in failed] == ["a", "b"] and failed[0].right > 0.8


def test_a_strong_answer_that_was_compared_judges_the_cheap_one() -> None:
    one, strong = observed(
        decision(Step("a", "1", "doubted", right=0.4), Step("s", "2", "served", agrees=0.0))
    )
    assert one.right < 0.3 and strong.model == "s" and 0 < strong.right < 1


def test_a_shadow_judges_the_answer_that_was_served() -> None:
    steps = (Step("a", "1", "served"), Step("s", "2", "served", agrees=1.0))
    one, _ = observed(Decision("code", "shadow", "s", "", CANDIDATES, steps))
    assert (one.model, one.weight) == ("a", AGREEMENT_WEIGHT) and one.right > 0.95


@pytest.mark.parametrize("truth", [0.3, 0.7, 0.95])
def test_what_is_learnt_is_right_on_average(truth: float) -> None:
    """Simulated pairs of answers whose predictions are right: the weighted means are the true shares."""
    rng = random.Random(5)
    candidates = (Candidate("a", truth, 0.01), Candidate("b", 0.6, 0.01))
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for _ in range(20_000):
        a, b = rng.random() < truth, rng.random() < 0.6
        same = (a and b) or (not a and not b and rng.random() < SAME_MISTAKE)
        second = Step("b", "2", "accepted", agrees=float(same))
        for each in observed(
            Decision("t", "cascade", "s", "", candidates, (Step("a", "1", "doubted"), second))
        ):
            sums[each.model][0] += each.weight
            sums[each.model][1] += each.weight * each.right
    assert sums["a"][1] / sums["a"][0] == pytest.approx(truth, abs=0.01)
    assert sums["b"][1] / sums["b"][0] == pytest.approx(0.6, abs=0.015)


def test_a_model_that_was_no_candidate_is_not_known() -> None:
    one, _ = observed(decision(Step("x", "1", "doubted"), Step("y", "2", "accepted", agrees=1.0)))
    assert one.right == pytest.approx(0.25 / (0.25 + 0.25 * module.SAME_MISTAKE))

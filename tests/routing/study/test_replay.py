"""Replay: right on average, tighter than importance weighting, silent where nothing can be known."""

import functools

import numpy as np
import pytest

from tokenworks.ledger.decided import DecisionRow
from tokenworks.routing import decision as decision_of
from tokenworks.routing.calibration import TABLE
from tokenworks.routing.decision import Candidate, Decision, Step
from tokenworks.routing.study import replay as module
from tokenworks.routing.study.replay import POLICIES, Logged, Replayed, interval, logged, policy, replay

MODELS = ("cheap", "middle", "strong")
TRUE_RIGHT = {"chat": (0.9, 0.93, 0.95), "math": (0.4, 0.7, 0.95)}
COSTS = (0.001, 0.004, 0.03)
FORETOLD = (0.8, 0.75, 0.85)  # wrong, and blind to the task


def simulated(count: int, seed: int, explore: float = 0.3, blind: bool = False) -> list[Logged]:
    """Requests whose first model was drawn with known chances; cheap is favoured."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        task = "math" if rng.random() < 0.5 else "chat"
        chances = np.full(3, explore / 3)
        chances[0 if task == "chat" else 2] += 1 - explore
        chosen = int(rng.choice(3, p=chances))
        candidates = tuple(
            Candidate(name, right, cost, propensity=0.0 if blind and at != chosen else float(chances[at]))
            for at, (name, right, cost) in enumerate(zip(MODELS, FORETOLD, COSTS, strict=True))
        )
        right = float(rng.random() < TRUE_RIGHT[task][chosen])
        cost = COSTS[chosen] * float(rng.lognormal(0.0, 0.5)) * (3 if task == "math" else 1)
        found.append(
            Logged(f"gen-{seed}-{number}", task, candidates, chosen, 2, 0.95, None, "", 1.0, right, cost)
        )
    return found


@functools.cache
def forty() -> list[tuple[list[Logged], Replayed]]:
    """Logs, and what they say of always asking the middle one first."""
    logs = [simulated(500, seed, 0.45) for seed in range(40)]
    return [(each, replay("middle", each, lambda _: (0.0, 1.0, 0.0))) for each in logs]


def truth(at: int) -> tuple[float, float]:
    """P(right) and cost of always asking that one first."""
    rights = (TRUE_RIGHT["chat"][at] + TRUE_RIGHT["math"][at]) / 2
    return rights, COSTS[at] * np.exp(0.125) * 2


def test_it_is_right_on_average_and_its_intervals_hold_what_they_say() -> None:
    """Forty logs: no bias to be seen, and about 95 % of the intervals have the truth in them."""
    right_errors, cost_errors, hits = [], [], 0
    true_right, true_cost = truth(1)
    for _, found in forty():
        assert found.right is not None and found.cost_usd is not None
        right_errors.append(found.right.value - true_right)
        cost_errors.append(found.cost_usd.value - true_cost)
        hits += found.right.low <= true_right <= found.right.high
        hits += found.cost_usd.low <= true_cost <= found.cost_usd.high
    for errors in (right_errors, cost_errors):
        assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(len(errors))
    assert 68 <= hits <= 80, hits


def test_it_is_tighter_than_importance_weighting_alone() -> None:
    doubly, plain = [], []
    for logs, found in forty():
        doubly.append((found.right.value, found.cost_usd.value))
        weights = [(each.chosen == 1) / each.candidates[each.chosen].propensity for each in logs]
        plain.append(
            (
                np.mean([w * each.right for w, each in zip(weights, logs, strict=True)]),
                np.mean([w * each.cost_usd for w, each in zip(weights, logs, strict=True)]),
            )
        )
    assert (np.var(doubly, axis=0) < 0.8 * np.var(plain, axis=0)).all()


def test_it_is_right_although_the_chances_are_and_the_model_is_not() -> None:
    """With far too rosy a prediction the direct model alone would be off; the correction makes it right."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SHRINK", 1e12)  # nothing is learnt: what was foretold stands
        found = [replay("middle", logs, lambda _: (0.0, 1.0, 0.0)).right for logs, _ in forty()[:20]]
    assert np.mean([each.value for each in found]) == pytest.approx(truth(1)[0], abs=0.03)


def test_what_was_done_is_what_it_says_of_the_policy_that_did_it() -> None:
    logs = simulated(800, 3)
    found = replay("logged", logs, policy("logged"))
    assert found.effective == pytest.approx(800)
    assert found.right_change.low < 0 < found.right_change.high
    assert found.right.value == pytest.approx(np.mean([each.right for each in logs]), abs=0.03)
    assert found.verdict == "not enough evidence"


def test_a_clearly_better_policy_goes_live_and_a_worse_one_does_not() -> None:
    def wasteful(count: int, seed: int) -> list[Logged]:
        rng = np.random.default_rng(seed)
        logs = []
        for each in simulated(count, seed):
            chances = (0.3, 0.3, 0.4)
            chosen = int(rng.choice(3, p=chances))
            candidates = tuple(
                Candidate(c.model, c.right, c.cost_usd, propensity=p)
                for c, p in zip(each.candidates, chances, strict=True)
            )
            cost = COSTS[chosen] * float(rng.lognormal(0, 0.3))
            logs.append(Logged(each.id, "chat", candidates, chosen, 2, 0.95, None, "", 1.0, 1.0, cost))
        return logs

    logs = wasteful(1500, 1)
    better = replay("cheapest", logs, policy("cheapest"))
    assert better.verdict == "go live" and better.cost_change_usd.high < 0
    dearer = replay("strong", logs, policy("strong"))
    assert dearer.verdict == "worse" and "costs more" in dearer.why
    dumber = replay("cheapest", simulated(3000, 2), policy("cheapest"))
    assert dumber.verdict == "worse" and "less often" in dumber.why


def test_it_refuses_where_nothing_can_be_known() -> None:
    few = replay("strong", simulated(50, 1), policy("strong"))
    assert (few.verdict, few.right) == ("refused", None) and "at least 100" in few.why
    assert replay("strong", [], policy("strong")).verdict == "refused"
    never = replay("middle", simulated(500, 1, blind=True), lambda each: (0.0, 1.0, 0.0))
    assert never.verdict == "refused" and "never made before" in never.why
    rare = replay("middle", simulated(500, 1, explore=0.03), lambda each: (0.0, 1.0, 0.0))
    assert rare.verdict == "refused" and "explore more" in rare.why and rare.effective < 50


def test_large_weights_are_cut_and_that_is_told() -> None:
    found = replay("middle", simulated(3000, 5, explore=0.1), lambda each: (0.0, 1.0, 0.0))
    assert 0 < found.clipped < 0.05


def test_policies() -> None:
    candidates = (
        Candidate("cheap", 0.5, 0.001, propensity=0.5),
        Candidate("middle", 0.9, 0.004, propensity=0.3),
        Candidate("strong", 0.95, 0.03, propensity=0.2),
    )
    each = Logged("gen-1-a", "math", candidates, 0, 2, 0.9, None, "", 1.0, 1.0, 0.001)

    def first(name: str, **more: object) -> list[float]:
        return list(policy(name, **more)(each))  # type: ignore[arg-type]

    assert first("logged") == [0.5, 0.3, 0.2]
    assert first("strong") == [0, 0, 1]
    assert first("cheapest") == [1, 0, 0]
    assert first("quality") == [0, 1, 0]
    assert first("quality", quality=0.99) == [0, 0, 1]
    assert first("quality", quality=0.5) == [1, 0, 0]
    assert first("quality", belief=lambda _: (0.5, 0.1, 0.95)) == [0, 0, 1]
    with pytest.raises(ValueError, match="use one of router, logged"):
        policy("best")
    assert all(policy(name) for name in POLICIES)


@pytest.mark.skipif(not TABLE.exists(), reason="the router is not calibrated yet: tokenworks route train")
def test_the_routers_own_policy() -> None:
    [each] = simulated(1, 1)
    doubtful = policy("router", quality=1.0, belief=lambda _: (0.02, 0.02, 0.99))
    assert list(doubtful(each)) == [0, 0, 1]
    easy = policy("router", quality=0.1, belief=lambda _: (0.9, 0.9, 0.95))
    assert list(easy(each)) == [1, 0, 0]


def row(told: Decision, cost_nano_usd: int = 2_000_000) -> DecisionRow:
    return DecisionRow(
        "gen-1-a",
        1,
        "k",
        "",
        told.task,
        told.path,
        told.served,
        told.strong,
        0.5,
        cost_nano_usd,
        9_000_000,
        decision_of.encode(told),
    )


def story(**more: object) -> Decision:
    candidates = (
        Candidate("cheap", 0.7, 0.001, propensity=0.9),
        Candidate("strong", 0.95, 0.03, propensity=0.1),
    )
    steps = (Step("cheap", "1", "doubted", right=0.4), Step("strong", "2", "served"))
    told = Decision("math", "cascade", "strong", "", candidates, steps, served="strong", quality=0.9)
    for name, value in more.items():
        setattr(told, name, value)
    return told


def test_a_stored_decision_becomes_what_replay_needs() -> None:
    found = logged(row(story()))
    assert (found.chosen, found.strong, found.quality, found.right, found.cost_usd) == (
        0,
        1,
        0.9,
        0.95,
        0.002,
    )
    accepted = story(steps=(Step("cheap", "1", "accepted", right=0.97),), served="cheap")
    assert logged(row(accepted)).right == 0.97
    assert logged(row(accepted), score=0.0).right == 0.0, "a person knows better"
    assert logged(row(story(served=""))).right == 0.0, "no answer is no right answer"
    failed = story(steps=(Step("strong", "1", "failed"), Step("cheap", "2", "served")), served="cheap")
    assert (logged(row(failed)).chosen, logged(row(failed)).right) == (1, 0.7)
    shadowed = story(steps=(Step("strong", "1", "shadow"), *story().steps))
    assert logged(row(shadowed)).chosen == 0


@pytest.mark.parametrize(
    "more",
    [
        {"path": "rule"},
        {"path": "stage"},
        {"path": "shadow"},
        {"steps": ()},
        {"strong": "another"},
        {"steps": (Step("another", "1", "served"),)},
        {"candidates": (Candidate("cheap", 0.7, 0.001), Candidate("strong", 0.95, 0.03, propensity=1.0))},
    ],
)
def test_what_tells_nothing_is_left_out(more: dict[str, object]) -> None:
    assert logged(row(story(**more))) is None


def test_garbage_is_left_out() -> None:
    import msgspec

    for detail in (b"", b"{}", b"\xff", b'{"task":1}'):
        assert logged(msgspec.structs.replace(row(story()), detail=detail)) is None


def test_an_interval_of_one_knows_nothing() -> None:
    assert interval(np.array([1.0])).high == np.inf

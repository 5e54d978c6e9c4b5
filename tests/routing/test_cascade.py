"""The policy: what is asked, in which order, and when an answer is good enough."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks.routing.calibration import Signs, shipped
from tokenworks.routing.cascade import Evidence, Option, Route, Seen, grow, judge, look, route
from tokenworks.routing.checks import Finding

STRONG = Option("big/one", "big", 0.9, 0.01)
CHEAP = Option("small/one", "small", 0.75, 0.0003)
OTHER = Option("tiny/one", "tiny", 0.7, 0.0004)
TASKS = ("math", "code", "knowledge", "reasoning", "chat")

probabilities = st.floats(0.02, 0.99)
options = st.lists(
    st.builds(
        Option,
        model=st.sampled_from([f"m{i}/x" for i in range(9)]),
        family=st.sampled_from(["a", "b", "c", "d"]),
        right=probabilities,
        cost_usd=st.floats(1e-6, 0.1),
    ),
    min_size=1,
    max_size=6,
)


def plan(*models: Option, quality: float = 0.95, task: str = "math", checkable: bool = True) -> Route:
    return route(models, quality=quality, max_cost_usd=None, task=task, checkable=checkable)


@settings(max_examples=60, deadline=None)
@given(options, st.floats(0, 1), st.sampled_from(TASKS), st.booleans())
def test_never_dearer_than_the_strong_model_and_never_below_the_promise(
    models: list[Option], quality: float, task: str, checkable: bool
) -> None:
    found = route(models, quality=quality, max_cost_usd=None, task=task, checkable=checkable)
    best = max(o.right for o in models)
    assert found.strong.right == best
    assert found.cost_usd <= found.strong.cost_usd + 1e-9
    assert quality == 0 or found.right >= quality * best - 1e-6
    families = [o.family for o in found.cheap]
    assert len(set(families)) == len(families)
    assert checkable or not found.checked


@settings(max_examples=60, deadline=None)
@given(options, st.floats(0, 1), st.floats(0, 1), st.sampled_from(TASKS))
def test_more_quality_never_costs_less(models: list[Option], one: float, other: float, task: str) -> None:
    low, high = sorted((one, other))
    cheaper = route(models, quality=low, max_cost_usd=None, task=task, checkable=True)
    better = route(models, quality=high, max_cost_usd=None, task=task, checkable=True)
    assert cheaper.cost_usd <= better.cost_usd + 1e-9


@settings(max_examples=60, deadline=None)
@given(options, st.floats(1e-6, 0.1), st.sampled_from(TASKS))
def test_a_cap_on_cost_is_kept_where_any_model_keeps_it(models: list[Option], cap: float, task: str) -> None:
    found = route(models, quality=1.0, max_cost_usd=cap, task=task, checkable=True)
    if min(o.cost_usd for o in models) <= cap:
        assert found.cost_usd <= cap + 1e-9
    else:
        assert found.cost_usd == pytest.approx(min(o.cost_usd for o in models))
    roomier = route(models, quality=1.0, max_cost_usd=cap * 2, task=task, checkable=True)
    if found.cost_usd <= cap:
        assert roomier.right >= found.right - 1e-9


@settings(max_examples=80, deadline=None)
@given(
    probabilities,
    st.one_of(st.none(), st.floats(0, 1)),
    st.floats(0, 1),
    st.sampled_from(TASKS),
    st.booleans(),
    st.floats(0, 0.5),
)
def test_never_accepts_above_the_threshold_nor_what_is_fatal(
    right: float, agrees: float | None, quality: float, task: str, fatal: bool, threshold: float
) -> None:
    made = Route(CHEAP, OTHER, STRONG, True, 0.9, 0.001, "", None, threshold)
    findings = (Finding("refusal", False, True, "it declines"),) if fatal else ()
    verdict = judge(made, Evidence(right, findings, agrees), task=task, quality=quality)
    allowed = shipped().thresholds(task, (1 - quality) * STRONG.right)[0]
    if verdict.step == "accept":
        assert not fatal
        assert verdict.loss <= min(threshold, allowed) + 1e-9
    assert not (verdict.step == "second" and agrees is not None), "there is no third model"


@settings(max_examples=40, deadline=None)
@given(probabilities, probabilities, st.floats(0, 0.5), st.floats(0, 0.5))
def test_what_is_promised_for_a_larger_threshold_costs_no_more(
    one: float, other: float, low: float, high: float
) -> None:
    low, high = sorted((low, high))
    root = grow(Signs("A", (one,), 0.9), "math", shipped(), (one, other))
    cautious, bold = look(root, low, (0.03, 0.04), 1), look(root, high, (0.03, 0.04), 1)
    assert bold.cost <= cautious.cost + 1e-9
    assert bold.loss >= cautious.loss - 1e-9


def test_a_second_opinion_is_asked_where_it_pays_and_not_where_it_costs_too_much() -> None:
    found = plan(CHEAP, OTHER, STRONG)
    assert (found.first, found.second, found.checked) == (CHEAP, OTHER, True)
    assert found.cost_usd < STRONG.cost_usd / 2
    dear = Option("dear/one", "dear", 0.75, 0.009)
    assert plan(dear, STRONG, quality=0.99).first == STRONG, "nearly as dear as the strong model"


def test_straight_to_the_strong_model_where_the_cheap_one_is_hardly_ever_right() -> None:
    poor = Option("poor/one", "poor", 0.03, 0.004)
    found = plan(poor, STRONG)
    assert not found.checked
    assert found.first == STRONG
    assert found.cost_usd == STRONG.cost_usd


def test_unchecked_where_the_cheap_model_is_good_enough_by_itself() -> None:
    good = Option("good/one", "good", 0.89, 0.0003)
    found = plan(good, OTHER, STRONG, quality=0.95)
    assert (found.first, found.checked, found.cost_usd) == (good, False, good.cost_usd)


def test_agreement_serves_disagreement_asks_the_strong_model() -> None:
    made = plan(CHEAP, OTHER, STRONG, quality=0.97)
    alone = judge(made, Evidence(CHEAP.right), task="math", quality=0.97)
    assert alone.step == "second"
    agreed = judge(made, Evidence(CHEAP.right, agrees=1.0), task="math", quality=0.97)
    assert agreed.step == "accept" and agreed.right > alone.right
    assert judge(made, Evidence(CHEAP.right, agrees=0.0), task="math", quality=0.97).step == "strong"


def test_an_answer_that_took_far_more_thought_than_usual_is_believed_less() -> None:
    made = plan(CHEAP, OTHER, STRONG, quality=0.97)
    calm = (Seen(0.0, True, 2), Seen(0.0, True, 2))
    strained = (Seen(1.5, True, 2), Seen(1.5, True, 2))
    one = judge(made, Evidence(CHEAP.right, (), 1.0, calm), task="math", quality=0.97)
    other = judge(made, Evidence(CHEAP.right, (), 1.0, strained), task="math", quality=0.97)
    assert other.right < one.right


def test_a_third_model_settles_who_is_right_and_its_side_is_served() -> None:
    third = Option("third/one", "third", 0.72, 0.0005)
    made = Route(CHEAP, OTHER, STRONG, True, 0.9, 0.001, "", third, 0.15)
    tied = judge(made, Evidence(CHEAP.right, agrees=0.0), task="knowledge", quality=0.9)
    assert tied.step == "second", "a third opinion is cheaper than the strong model"
    settled = judge(made, Evidence(CHEAP.right, pattern="ABB"), task="knowledge", quality=0.9)
    assert settled.serve == 1
    assert settled.right > tied.right


def test_no_models_is_the_callers_fault() -> None:
    with pytest.raises(ValueError, match="allow at least one"):
        route([], quality=1.0, max_cost_usd=None, task="", checkable=True)


def test_it_takes_little_time() -> None:
    """Generous, for a busy machine; bench/cascades.py prints the figure. CPU time, the best of five."""
    third = Option("third/one", "third", 0.72, 0.0005)
    made = plan(CHEAP, OTHER, third, STRONG)
    best = 1.0
    for _ in range(5):
        start = time.process_time()
        for _ in range(20):
            judge(made, Evidence(CHEAP.right, agrees=1.0), task="math", quality=0.95)
        best = min(best, (time.process_time() - start) / 20)
    assert best < 0.002

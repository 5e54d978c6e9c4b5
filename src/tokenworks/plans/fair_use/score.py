"""How much a key's day looks like a program's, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files
from math import exp, log

import msgspec

from tokenworks.plans.fair_use.signals import HOUR_SLOTS, SLOTS, Signals
from tokenworks.plans.spec import FairUse

FEWEST = 30  # requests a day; below it nothing is said
MOST_REASONS = 4
WORTH_TELLING = 0.25  # of a reason's weight in the sum: that much moves the odds by a quarter
TOO_LITTLE = "too little to tell: {} requests in 24 hours"

# What goes into the sum. Each is made so that more of it can only speak for a program: the weights are
# fitted to be at least 0, so that no reason is ever "because he did more of what people do".
FEATURES: Mapping[str, Callable[[Signals], float]] = {
    "hours": lambda s: s.hours / 24,
    "sleepless": lambda s: max(s.hours - 16, 0) / 8,
    "slots": lambda s: s.slots / SLOTS,
    "stretch": lambda s: min(s.stretch_slots / HOUR_SLOTS, 12.0) / 12,
    "restless": lambda s: min(s.quiet_share * 4, 1.0),
    "requests": lambda s: log(max(s.requests, 1)),
    "alike": lambda s: max(1.0 - s.gap_entropy, 0.0),
    "even": lambda s: 1.0 / (1.0 + s.gap_cv),
    "short": lambda s: s.short_share,
    "regular": lambda s: s.wake_regular,
    "clock": lambda s: s.clock,
    "paced": lambda s: 1.0 / (1.0 + s.wait_spread),
    "steps": lambda s: s.step_share,
    "chain": lambda s: log(1 + s.chain),
    "chain_mean": lambda s: log(1 + s.chain_mean),
    "single": lambda s: s.single_share,
    "flat": lambda s: 1.0 - s.growth if s.waits else 0.0,
    "unled": lambda s: 1.0 - s.led_share if s.waits else 0.0,
    "driven": lambda s: s.step_share * (1.0 - s.led_share) * log(max(s.requests, 1)),
    "an_hour": lambda s: log(max(s.an_hour, 1.0)),
    "at_once": lambda s: log(max(s.at_once, 1.0)),
    "peak": lambda s: log(max(s.peak, 1)),
    "overlap": lambda s: s.overlap,
    "template": lambda s: 1.0 / (1.0 + 4 * s.input_cv),
    "strange": lambda s: s.strange_share,
    "apps": lambda s: log(max(s.apps, 1)),
}


def _duty(s: Signals) -> str:
    rate = s.requests / max(s.hours, 1)
    return (
        f"{rate:.0f} requests an hour in {s.hours} of 24 hours ({s.slots} of {SLOTS} stretches of 5 minutes)"
    )


# Features that say the same thing share a sentence.
SENTENCES: Mapping[tuple[str, ...], Callable[[Signals], str]] = {
    ("hours", "sleepless", "slots", "requests"): _duty,
    ("stretch",): lambda s: f"{s.stretch_slots * 5} minutes without a pause of 10",
    ("restless",): lambda s: f"{s.quiet_share:.0%} of the requests came in the quietest six hours in a row",
    ("alike", "even"): lambda s: (
        f"gaps between requests are alike: deviation {s.gap_cv:.2f} of the mean, entropy "
        f"{s.gap_entropy:.2f} of 1"
    ),
    ("short",): lambda s: f"{s.short_share:.0%} of the requests came within 2 s of the one before",
    ("regular",): lambda s: (
        f"{s.wake_regular:.0%} of {s.wakes} starts after a rest came {s.wake_gap_s:.0f} s after the one "
        "before, give or take a tenth"
    ),
    ("paced",): lambda s: (
        f"waits of 5 s and more are alike: they spread by a factor of {exp(s.wait_spread):.1f}"
    ),
    ("clock",): lambda s: f"{s.wakes} starts after a rest keep to the clock ({s.clock:.2f} of 1)",
    ("steps", "chain", "chain_mean", "driven"): lambda s: (
        f"{s.step_share:.0%} of the requests followed an answer with no time to think (median "
        f"{s.wait_s:.1f} s between an answer and the next request), up to {s.chain} in a row"
    ),
    ("single",): lambda s: f"{s.single_share:.0%} of {s.threads} conversations had one request",
    ("flat",): lambda s: f"the context did not grow in {1 - s.growth:.0%} of {s.waits} follow-ups",
    ("unled",): lambda s: (
        f"in {1 - s.led_share:.0%} of the conversations nobody took time for a second prompt"
    ),
    ("at_once", "an_hour"): lambda s: (
        f"{s.at_once:.1f} conversations in five minutes of use on average, {s.an_hour:.1f} go on in an hour"
    ),
    ("peak", "overlap"): lambda s: (
        f"up to {s.peak} requests under way at once; {s.overlap:.0%} began while another was"
    ),
    ("template",): lambda s: (
        f"first requests are of one size: {s.threads} conversations, deviation {s.input_cv:.2f} of the mean"
    ),
    ("strange", "apps"): lambda s: (
        f"{s.strange_share:.0%} of the requests came from clients that the plan is not for"
        + (f" ('{s.strange_app[:40]}')" if s.strange_app else "")
        + f"; clients in all: {s.apps}"
    ),
}


class Weight(msgspec.Struct, frozen=True):
    """What a feature adds for each unit above what is usual with people."""

    weight: float
    usual: float


class Weights(msgspec.Struct, frozen=True):
    """A fitted model; see ``docs/fair-use.md`` for the command that fits it."""

    fitted: str  # the command
    bias: float  # log odds of a key that is as usual with people
    features: dict[str, Weight]


class Score(msgspec.Struct, frozen=True):
    """``value``: 0 a person, 1 a program. ``reasons``: how much there was, then what weighs most."""

    value: float
    reasons: list[str]
    enough: bool = True  # False: too few requests to say anything; ``value`` is 0


WEIGHTS = msgspec.json.decode(files(__package__).joinpath("weights.json").read_bytes(), type=Weights)


def vector(seen: Signals) -> dict[str, float]:
    """The features by name, each larger the more it speaks for a program."""
    return {name: feature(seen) for name, feature in FEATURES.items()}


def score(seen: Signals, weights: Weights = WEIGHTS) -> Score:
    """Logistic regression over ``FEATURES``, and the sentences of those that raised it most."""
    if seen.requests < FEWEST:
        return Score(0.0, [TOO_LITTLE.format(seen.requests)], False)
    values = vector(seen)
    parts = {name: weight.weight * (values[name] - weight.usual) for name, weight in weights.features.items()}
    odds = weights.bias + sum(parts.values())
    told = sorted(
        ((sum(parts.get(name, 0.0) for name in names), say) for names, say in SENTENCES.items()),
        key=lambda one: -one[0],
    )
    reasons = [say(seen) for part, say in told if part >= WORTH_TELLING and say is not _duty]
    reasons = [_duty(seen), *reasons[: MOST_REASONS - 1]]
    return Score(1.0 / (1.0 + exp(-max(min(odds, 50.0), -50.0))), reasons)


def judge(verdict: Score, fair: FairUse) -> str:
    """What is to be done: the configured action from its threshold on, else "". "observe" does nothing."""
    return fair.action if verdict.enough and verdict.value >= fair.threshold else ""

from dataclasses import dataclass
from random import Random

import msgspec

from fitting import fit
from tokenworks.plans.fair_use.score import score
from tokenworks.plans.fair_use.signals import Signals, signals

NONE = signals([], (), 0)


@dataclass(frozen=True)
class One:
    automated: bool
    looks: list[Signals]


def population() -> list[One]:
    """Programs are up longer and less regular than people; nothing else differs."""
    rng, found = Random(1), []
    for automated in (False, True) * 60:
        hours = min(max(round(rng.gauss(19 if automated else 11, 3)), 1), 24)
        regular = rng.uniform(0, 0.3) if automated else rng.uniform(0.2, 0.9)
        day = msgspec.structs.replace(NONE, requests=100, hours=hours, wake_regular=regular, gap_entropy=0.5)
        found.append(One(automated, [day]))
    return found


def test_what_tells_them_apart_is_weighed_and_no_weight_is_negative() -> None:
    days = population()
    weights = fit(days, "by hand")
    assert weights.features["hours"].weight + weights.features["sleepless"].weight > 1
    assert "regular" not in weights.features  # it speaks for people here, and may not
    assert all(weight.weight > 0 for weight in weights.features.values())
    right = sum((score(day.looks[0], weights).value >= 0.5) is day.automated for day in days)
    assert right / len(days) >= 0.8
    assert weights.fitted == "by hand"


def test_a_stronger_penalty_makes_smaller_weights_and_a_smaller_mix_lower_scores() -> None:
    days = population()
    usual, weak, rare = fit(days, ""), fit(days, "", decay=100.0), fit(days, "", mix=0.05)
    assert weak.features["hours"].weight < usual.features["hours"].weight
    assert sum(score(d.looks[0], rare).value for d in days) < sum(
        score(d.looks[0], usual).value for d in days
    )


def test_it_is_the_optimum() -> None:
    """At the end no weight, moved a little, makes the likelihood with its penalty better."""
    days = population()
    best = fit(days, "", decay=1.0)
    again = fit(days[::-1], "", decay=1.0)
    assert best.features.keys() == again.features.keys()
    for name, weight in best.features.items():
        assert abs(weight.weight - again.features[name].weight) < 0.05

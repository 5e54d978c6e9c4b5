import cmath
import re
from itertools import pairwise
from random import Random
from statistics import mean, pstdev

import pytest
from msgspec.structs import replace

from tokenworks.plans.fair_use.score import FEATURES, FEWEST, SENTENCES, WEIGHTS, Score, judge, score, vector
from tokenworks.plans.fair_use.signals import DAY_US, Seen, Signals, signals
from tokenworks.plans.spec import FairUse

S = 1_000_000
NOW = 20_000 * DAY_US + 1


def bot() -> list[Seen]:
    """Every two minutes or so, day and night."""
    rng = Random(1)
    times = sorted(NOW - DAY_US + int((120 * n + rng.uniform(1, 20)) * S) for n in range(719))
    return [Seen(at, f"s{n}", "runner/1", 900 + n % 5, 200, 3 * S, "stop") for n, at in enumerate(times)]


def person() -> list[Seen]:
    """Two conversations, with thought between the turns and lunch between them."""
    rng, ones, tokens = Random(2), [], 500
    for session, start_h in (("a", 9.0), ("b", 13.5)):
        at = NOW - DAY_US + int(start_h * 3600) * S
        for _ in range(25):
            ones.append(Seen(at, session, "desk/1", tokens, 300, 6 * S, "stop"))
            at += int(rng.lognormvariate(4.5, 1.2) * S)
            tokens += rng.randrange(300, 900)
    return ones


def of(ones: list[Seen]) -> Signals:
    return signals(ones, ("desk/*",), NOW)


def test_a_bot_and_a_person() -> None:
    assert score(of(bot())).value > 0.95
    assert score(of(person())).value < 0.2


def test_reasons_are_true() -> None:
    """Every number in the reasons is counted again here from the requests alone."""
    ones = bot()
    verdict = score(of(ones))
    assert 1 <= len(verdict.reasons) <= 4
    text = "; ".join(verdict.reasons)
    slots = {one.time_us // (300 * S) for one in ones} - {(NOW - DAY_US) // (300 * S)}  # 288 by the clock
    duty = re.search(r"(\d+) requests an hour in (\d+) of 24 hours \((\d+) of 288", text)
    assert duty and (int(duty[1]), int(duty[2]), int(duty[3])) == (round(len(ones) / 24), 24, len(slots))
    single = re.search(r"(\d+)% of (\d+) conversations had one request", text)
    assert single and (int(single[1]), int(single[2])) == (100, len({one.session for one in ones}))
    alike = re.search(r"deviation ([\d.]+) of the mean", text)
    gaps = [(b.time_us - a.time_us) / S for a, b in pairwise(ones)]
    assert alike and float(alike[1]) == pytest.approx(pstdev(gaps) / mean(gaps), abs=0.005)
    clock = re.search(r"(\d+) starts after a rest keep to the clock \(([\d.]+) of 1\)", text)
    turns = [cmath.exp(2j * cmath.pi * (one.time_us % (60 * S)) / (60 * S)) for one in ones]
    assert clock and int(clock[1]) == len(ones)  # each 100 s and more after the one before
    assert float(clock[2]) == pytest.approx(abs(sum(turns)) / len(ones) - 1.5 / len(ones) ** 0.5, abs=0.006)


@pytest.mark.parametrize("names", SENTENCES)
def test_each_sentence_tells_what_raised_the_score(names: tuple[str, ...]) -> None:
    seen = of(bot())
    weight = {name: part for name, part in WEIGHTS.features.items() if name in names}
    alone = replace(
        WEIGHTS, features={name: replace(part, weight=9.0, usual=-1.0) for name, part in weight.items()}
    )
    if weight:
        assert SENTENCES[names](seen) in score(seen, alone).reasons[:2]
        assert len(score(seen, alone).reasons) <= 2
    assert SENTENCES[names](seen)


def test_every_feature_has_a_sentence_and_every_weight_a_feature() -> None:
    assert {name for names in SENTENCES for name in names} == set(FEATURES)
    assert set(WEIGHTS.features) <= set(FEATURES)
    assert all(weight.weight > 0 for weight in WEIGHTS.features.values())
    assert WEIGHTS.fitted.startswith("python bench/fair_use.py ")


def test_more_of_anything_never_lowers_the_score() -> None:
    seen = of(person())
    for more in ({"hours": 24}, {"quiet_share": 0.25}, {"strange_share": 1.0}, {"clock": 0.9}, {"peak": 40}):
        assert score(replace(seen, **more)).value >= score(seen).value, more
    assert vector(seen).keys() == FEATURES.keys()


def test_of_few_requests_nothing_is_said() -> None:
    few = score(of(bot()[: FEWEST - 1]))
    assert few == Score(0.0, [f"too little to tell: {FEWEST - 1} requests in 24 hours"], False)
    assert judge(few, FairUse("suspend", threshold=0.0)) == ""
    assert score(of(bot()[:FEWEST])).enough


def test_the_threshold_decides_and_the_plan_says_what() -> None:
    verdict = Score(0.8, ["because"])
    assert judge(verdict, FairUse("slow", threshold=0.8)) == "slow"
    assert judge(verdict, FairUse("slow", threshold=0.81)) == ""
    assert judge(verdict, FairUse("observe", threshold=0.5)) == "observe"

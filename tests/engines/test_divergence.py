"""The arithmetic of divergence, on numbers that can be worked out by hand."""

import math
import random

import pytest

from tokenworks.engines.divergence import Position, Reading, compare, kl


def logs(**shares: float) -> dict[int, float]:
    return {int(name[1:]): math.log(share) for name, share in shares.items()}


def test_kl_of_the_same_is_nothing() -> None:
    same = logs(t1=0.7, t2=0.2, t3=0.05)
    assert kl(same, same, 20) == pytest.approx(0, abs=1e-12)


def test_kl_over_all_tokens_is_the_textbook_one() -> None:
    p, q = logs(t1=0.5, t2=0.5), logs(t1=0.9, t2=0.1)
    assert kl(p, q, 2) == pytest.approx(0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1))


def test_what_is_beyond_the_top_counts_as_one() -> None:
    p, q = logs(t1=0.6, t2=0.3, t3=0.1), logs(t1=0.3, t2=0.6, t3=0.1)
    whole = 0.6 * math.log(2) + 0.3 * math.log(0.5)
    first = 0.6 * math.log(2) + 0.4 * math.log(0.4 / 0.7)
    assert kl(p, q, 3) == pytest.approx(whole)
    assert kl(p, q, 1) == pytest.approx(first)
    assert first < whole  # a lower bound


def test_a_token_that_the_other_does_not_name_is_as_its_least() -> None:
    p = logs(t1=0.5, t2=0.5)
    assert kl(p, logs(t1=0.8, t9=0.1), 2) == pytest.approx(
        0.5 * math.log(0.5 / 0.8) + 0.5 * math.log(0.5 / 0.1)
    )


def test_it_is_a_lower_bound_whatever_the_other_model_names() -> None:
    dice = random.Random(3)
    telling = 0
    for _ in range(300):
        weights = [[dice.random() ** 9 for _ in range(12)] for _ in range(2)]
        one, other = ([each / sum(some) for each in some] for some in weights)
        whole = sum(p * math.log(p / q) for p, q in zip(one, other, strict=True))
        likeliest = sorted(range(12), key=lambda token: -other[token])[:4]  # all that is told of the other
        reference = {token: math.log(share) for token, share in enumerate(one)}
        found = kl(reference, {token: math.log(other[token]) for token in likeliest}, 6)
        assert 0 <= found <= whole + 1e-9
        telling += found > 0
    assert telling > 250


def reading(*tokens: tuple[int, float], ended: bool = True) -> Reading:
    """Tokens with the probability of each; the rest is another token's."""
    return Reading(
        tuple(
            Position(token, math.log(share), {token: math.log(share), 99: math.log(1 - share)})
            for token, share in tokens
        ),
        ended,
    )


def test_compare() -> None:
    references = [reading((1, 0.8), (2, 0.6)), reading((3, 0.9))]
    forced = [reading((1, 0.8), (2, 0.4)), reading((3, 0.9))]
    own = [reading((1, 0.8), (7, 0.6)), reading((3, 0.9))]
    found = compare(references, forced, own, 20)
    assert (found.prompts, found.tokens) == (2, 3)
    assert found.max_logprob_difference == pytest.approx(math.log(1.5))
    assert found.mean_logprob_difference == pytest.approx(math.log(1.5) / 3)
    assert found.top_agreement == pytest.approx(2 / 3)
    assert found.identical == 0.5
    assert found.first_divergence == 2
    assert found.mean_kl == pytest.approx((0.6 * math.log(1.5) + 0.4 * math.log(0.4 / 0.6)) / 3)


def test_an_answer_that_goes_on_is_another_one() -> None:
    one, longer = reading((1, 0.9)), reading((1, 0.9), (2, 0.9))
    assert compare([one], [one], [longer], 20).first_divergence == 2
    assert compare([one], [one], [reading((1, 0.9), ended=False)], 20).identical == 0
    assert compare([one], [one], [one], 20).first_divergence is None


def test_readings_of_other_tokens_can_not_be_compared() -> None:
    with pytest.raises(AssertionError, match="token by token"):
        compare([reading((1, 0.9))], [reading((2, 0.9))], [reading((1, 0.9))], 20)

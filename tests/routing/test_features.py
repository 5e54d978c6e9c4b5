"""Texts as counted buckets: what makes no difference, and what does."""

import numpy as np
import pytest

from tokenworks.routing.features import BUCKETS, KEEP, buckets, normalise


def same(one: str, two: str) -> bool:
    a, b = buckets(normalise(one)), buckets(normalise(two))
    return np.array_equal(a[0], b[0]) and np.allclose(a[1], b[1])


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("What IS the Capital\n\n of France?", "what is the capital of france?"),
        ("it’s “quoted” – so", 'it\'s "quoted" - so'),
        ("12 apples and 345 pears", "98 apples and 761 pears"),
        ("ｆｕｌｌ ｗｉｄｔｈ", "full width"),
        ("Hi! How many pears are left? Thanks.", "how many pears are left?"),
    ],
)
def test_typed_differently_is_the_same(one: str, two: str) -> None:
    assert same(one, two)


def test_other_words_are_not_the_same() -> None:
    assert not same("what is the capital of france?", "what is the capital of spain?")
    assert not same("12 apples", "123 apples")  # values don't count, their sizes do


def test_counts_are_logarithms_in_rising_buckets() -> None:
    where, how = buckets(normalise("word word word"))
    assert (np.diff(where) > 0).all()
    assert where[0] >= 0 and where[-1] < BUCKETS
    assert how.max() == pytest.approx(1 + np.log(3))


def test_a_typo_moves_a_text_less_than_another_topic_does() -> None:
    def cosine(one: str, two: str) -> float:
        rows = np.zeros((2, BUCKETS))
        for row, text in zip(rows, (one, two), strict=True):
            where, how = buckets(normalise(text))
            row[where] = how
        return float(rows[0] @ rows[1] / np.linalg.norm(rows[0]) / np.linalg.norm(rows[1]))

    right = "How many photons does the laser emit every second?"
    assert cosine(right, "How many fotons does the laser emti every second?") > 0.6
    assert cosine(right, "Name three treaties that ended a war in Europe.") < 0.3


def test_scripts_without_spaces_are_words_by_character() -> None:
    one, two = (set(buckets(normalise(text))[0].tolist()) for text in ("请翻译这句话", "翻译"))
    assert len(one & two) >= 3  # both characters and their pair


@pytest.mark.parametrize("text", ["", " ", "?!", "a", "\x00\ud800", "😀" * 50])
def test_odd_texts_pass(text: str) -> None:
    where, how = buckets(normalise(text))
    assert len(where) == len(how) > 0


def test_of_a_long_text_head_and_tail_count() -> None:
    middle = "filler " * 4000
    long = normalise(f"head {middle} tail")
    assert len(long) <= KEEP + 1
    assert long.startswith("head") and long.endswith("tail")

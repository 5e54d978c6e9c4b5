"""Noise in prompts."""

from random import Random

import pytest

from noise import KINDS, noisy

TEXT = "Which of the following statements about a person is best? He buys 3 large pens for each child."


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_changes_the_text_and_repeats_itself(kind: str) -> None:
    made = [noisy(TEXT, kind, Random(seed)) for seed in range(8)]
    assert any(each != TEXT for each in made)
    assert made == [noisy(TEXT, kind, Random(seed)) for seed in range(8)]


def test_case_and_spaces_keep_every_letter() -> None:
    for kind in ("casing", "whitespace"):
        made = noisy(TEXT, kind, Random(1))
        assert "".join(made.lower().split()) == "".join(TEXT.lower().split())


def test_typos_are_few_and_never_in_numbers() -> None:
    made = noisy(TEXT * 20, "typos", Random(1))
    assert made.count("3") == 20
    assert 0 < sum(one != two for one, two in zip(made.split(), (TEXT * 20).split(), strict=False)) < 150

"""Figures of a text's form."""

import numpy as np
import pytest

from tokenworks.routing.features import normalise
from tokenworks.routing.shapes import NAMES, parted, shapes


def of(text: str) -> dict[str, float]:
    return dict(zip(NAMES, shapes(normalise(text)).tolist(), strict=True))


def test_every_name_has_its_figure() -> None:
    assert len(set(NAMES)) == len(NAMES) == len(shapes("a"))


def test_options_are_found_in_order_and_told_from_the_stem() -> None:
    text = normalise("Which is NOT red?\nA. 1 rose\nB. grass\nC. blood\nD. fire\nAnswer:")
    stem, options = parted(text)
    assert stem == "which is not red?"
    assert options == ["1 rose", "grass", "blood"]
    found = of(text)
    assert found["options"] == 4
    assert found["options_numeric"] == pytest.approx(1 / 3)
    assert found["negations"] == 1


def test_prose_has_no_options() -> None:
    assert parted("see fig. a. and then b. that was all")[1] == []


def test_money_and_numbers_in_the_question() -> None:
    cents = of("A pen costs $1.50. He buys 3. How much does he pay for 12 pens?")
    plain = of("A pen is red. He buys three. How many pens are there?")
    assert cents["any_money"] == 1 and cents["any_decimal"] == 1 and cents["money_asked_decimal"] == 1
    assert cents["any_asked_number"] == 1 and plain["any_asked_number"] == 0
    assert plain["how_many"] == 1 and plain["money_asked"] == 0


def test_letter_case_and_spaces_change_nothing() -> None:
    one = "What  is\n the LEAST common multiple of 4 and 6?"
    assert np.array_equal(shapes(normalise(one)), shapes(normalise(one.lower())))


@pytest.mark.parametrize("text", ["", "?", "日本語だけの文章です。", "1.2.3.4", "a" * 6000])
def test_odd_texts_give_finite_figures(text: str) -> None:
    assert np.isfinite(shapes(normalise(text))).all()

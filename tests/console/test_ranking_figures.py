import pytest

from tokenworks.console.ranking_figures import amount, change, points, share, text


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (8.7e12, "8.70T"),
        (5.3e11, "530B"),
        (12.3e6, "12.3M"),
        (999_500, "1.00M"),
        (999_499, "999K"),
        (9_996, "10.0K"),
        (999, "999"),
        (0, "0"),
        (None, "–"),
    ],
)
def test_amounts_have_three_digits(value: float | None, told: str) -> None:
    assert amount(value) == told


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.6092, "61 %"),
        (0.053, "5.3 %"),
        (0.0004, "0.04 %"),
        (0.00001, "<0.01 %"),
        (0, "0 %"),
        (1, "100 %"),
        (0.9996, "99.96 %"),
        (0.999999, "99.99 %"),
        (None, "–"),
    ],
)
def test_shares_are_neither_nothing_nor_all_unless_they_are(value: float | None, told: str) -> None:
    assert share(value) == told


@pytest.mark.parametrize(
    ("value", "told"), [(1.97, "+197 %"), (-0.2, "-20 %"), (0.001, "0 %"), (-0.001, "0 %"), (99, "+9,900 %")]
)
def test_changes_have_their_sign(value: float, told: str) -> None:
    assert change(value) == told


def test_changes_that_end_in_nought_keep_their_sign() -> None:
    assert [change(each) for each in (0.1, -1, 2)] == ["+10 %", "-100 %", "+200 %"]


def test_each_kind_has_its_form() -> None:
    assert points(0.039) == "+3.9" and points(None) == "–"
    assert text("usd", 0.0123) == "$0.0123" and text("seconds", 0.25) == "250 ms"
    assert text("count", 12345) == "12,345" and text("rate", 81.26) == "81.3"
    assert text("tokens", 1e9) == "1.00B" and text("share", 0.5) == "50 %" and text("rank", None) == "–"

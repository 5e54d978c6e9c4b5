import pytest

from soak import growth, warmup_s


def test_growth_of_a_leak_and_of_a_flat_line() -> None:
    leak = growth([(float(t), 10_000.0 + 10 * t) for t in range(60, 601, 10)])
    assert leak.slope_kib_per_minute == pytest.approx(600.0)
    assert leak.percent == pytest.approx((16_000 - 10) / (10_700) * 100 - 100, abs=1.0)
    flat = growth([(float(t), 10_000.0) for t in range(60, 601, 10)])
    assert (flat.percent, flat.slope_kib_per_minute) == (0.0, 0.0)


def test_one_spike_is_no_growth() -> None:
    points = [(float(t), 10_000.0) for t in range(0, 100, 10)]
    points[-1] = (90.0, 50_000.0)
    assert growth(points).percent == 0.0


def test_too_short_a_soak_says_so() -> None:
    with pytest.raises(ValueError, match="longer"):
        growth([(1.0, 1.0)])


def test_warmup_is_a_fifth_but_a_minute_at_most() -> None:
    assert (warmup_s(100), warmup_s(600)) == (20.0, 60.0)

import pytest

from tokenworks.energy.money import Terms, check, hour, recovery
from tokenworks.errors import BadRequest


def test_a_rent_holds_the_power() -> None:
    dear, cheap = (
        hour(Terms(rent_usd_h=2, utilisation=1, usd_per_kwh=price), working_w=1000) for price in (0.5, 0.05)
    )
    assert dear.total_usd == cheap.total_usd == 2
    assert dear.power_usd == 0
    assert dear.power_inside_usd == pytest.approx(0.5 * 1.2)
    assert dear.power_share == pytest.approx(0.3)


def test_an_owner_pays_it_once() -> None:
    terms = Terms(capex_usd=8760, life_years=1, interest=0, upkeep=0, usd_per_kwh=0.1, pue=1.5, utilisation=1)
    cost = hour(terms, working_w=1000)
    assert cost.capital_usd == pytest.approx(1)
    assert cost.total_usd == pytest.approx(1 + 0.15)
    assert cost.power_share == pytest.approx(0.15 / 1.15)


def test_hours_of_waiting_are_paid_by_those_of_work() -> None:
    terms = Terms(capex_usd=8760, life_years=1, interest=0, upkeep=0, usd_per_kwh=0.1, pue=1, utilisation=0.5)
    cost = hour(terms, working_w=1000, waiting_w=200)
    assert cost.capital_usd == pytest.approx(2)
    assert cost.power_usd == pytest.approx(0.1 * 1.2)
    assert hour(Terms(rent_usd_h=2, utilisation=0.5), working_w=1).total_usd == 4


def test_capital_is_recovered_with_interest() -> None:
    assert recovery(0, 4) == 0.25
    assert recovery(0.08, 4) == pytest.approx(0.30192, abs=1e-5)


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        (Terms(rent_usd_h=-1), "rent is -1: it must be 0 or more"),
        (Terms(rent_usd_h=1, usd_per_kwh=-0.1), "power price is -0.1"),
        (Terms(rent_usd_h=1, usd_per_kwh=float("nan")), "power price is nan"),
        (Terms(rent_usd_h=1, utilisation=0), "utilisation is 0: it must be above 0"),
        (Terms(rent_usd_h=1, utilisation=60), "at most 1"),
        (Terms(rent_usd_h=1, pue=0.5), "pue is 0.5: it must be 1 or more"),
        (Terms(capex_usd=1, life_years=0), "life is 0 years"),
    ],
)
def test_terms_that_nobody_can_have(terms: Terms, told: str) -> None:
    with pytest.raises(BadRequest, match=told):
        check(terms)

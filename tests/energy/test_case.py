from typing import Any

import pytest

from tokenworks.energy import hardware
from tokenworks.energy.case import Case, check
from tokenworks.errors import BadRequest


def case(**given: Any) -> Case:
    return Case(model="qwen3-8b", hardware="h100", **given)


def test_tokens_of_a_step() -> None:
    assert case().accepted == 1
    assert case(mtp=2).accepted == 2.5
    assert case(mtp=2, mtp_accepted=1.5).accepted == 1.5
    assert case(input_tokens=1000, output_tokens=500).decode_context == 1250


def test_what_is_left_open_is_the_hardwares() -> None:
    h100 = hardware.load("h100")
    assert case().terms(h100).rent_usd_h == h100.rent_usd_h
    assert case(rent_usd_h=3).terms(h100).rent_usd_h == 3
    assert case(own=True, rent_usd_h=3).terms(h100).owned
    assert case().terms(hardware.load("rtx-4090")).owned  # no rent of it is known


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"input_tokens": 0}, "input is 0: it must be 1 or more"),
        ({"output_tokens": 0}, "output is 0"),
        ({"cached_tokens": 1024}, "1023 at most"),
        ({"cached_tokens": -1}, "cached is -1"),
        ({"concurrency": 0}, "concurrency is 0"),
        ({"concurrency": float("nan")}, "concurrency is nan"),
        ({"devices": -8}, "devices is -8"),
        ({"mtp": 1, "mtp_accepted": 3}, "between 1 and 2"),
        ({"imbalance": 0.5}, "imbalance is 0.5"),
        ({"usd_per_kwh": -0.01}, "power price is -0.01: it must be 0 or more"),
        ({"rent_usd_h": -1}, "rent is -1"),
        ({"g_per_kwh": float("inf")}, "carbon is inf"),
    ],
)
def test_loads_that_can_not_be(given: dict[str, Any], told: str) -> None:
    with pytest.raises(BadRequest, match=told) as caught:
        check(case(**given))
    assert "\n" not in str(caught.value)

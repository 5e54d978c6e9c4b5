"""When of the day a model is cheapest."""

from __future__ import annotations

from datetime import date, time

import pytest

from tokenworks.catalog.load import load
from tokenworks.catalog.schedule import PriceRow, Schedule
from tokenworks.catalog.tariff import clock, spoken, tariff
from tokenworks.config.settings import ProviderModelSettings, ProviderSettings, Settings
from tokenworks.schema import Price

DAY = date(2026, 11, 26)


def price(usd: float) -> Price:
    return Price(id=f"at {usd}", input_mtok=usd, output_mtok=2 * usd)


def daily(usual: float, *others: tuple[float, time, time]) -> Schedule:
    rows = [PriceRow(price(usd), daily=(begin, end)) for usd, begin, end in others]
    return Schedule((PriceRow(price(usual)), *rows))


def test_two_dear_spans_leave_two_cheap_ones_and_one_runs_over_midnight() -> None:
    found = tariff("m", [daily(1, (2, time(1), time(4)), (3, time(6), time(10)))], DAY)
    assert found is not None
    assert found.hours == ((240, 360), (600, 1440 + 60))
    assert (found.low.input_mtok, found.high.input_mtok) == (1, 3)
    assert spoken(found.hours) == "04:00-06:00, 10:00-01:00"


def test_a_cheap_night() -> None:
    found = tariff("m", [daily(2, (1, time(16, 30), time(0, 30)))], DAY)
    assert found is not None and found.hours == ((990, 1470),) and clock(990) == "16:30"


@pytest.mark.parametrize(
    "schedules",
    [
        [],
        [Schedule.fixed(price(1))],
        [daily(1, (1, time(3), time(4)))],
        [daily(2, (1, time(3), time(4))), Schedule.fixed(price(0.5))],
    ],
    ids=["nobody", "fixed", "same", "another is always cheaper"],
)
def test_where_the_hour_makes_no_difference(schedules: list[Schedule]) -> None:
    assert tariff("m", schedules, DAY) is None


def test_one_that_is_cheaper_in_between_moves_the_hours() -> None:
    found = tariff("m", [daily(3, (1, time(3), time(4))), Schedule.fixed(price(2))], DAY)
    assert found is not None and found.hours == ((180, 240),)
    assert (found.low.input_mtok, found.high.input_mtok) == (1, 2)


def test_the_catalogue_knows_real_ones(tmp_path) -> None:
    model = ProviderModelSettings(id="acme/fast", context_length=1000, input_mtok=1.0, output_mtok=2.0)
    acme = ProviderSettings(
        wire="openai_chat", base_url="http://127.0.0.1:1/v1", auth="none", models=(model,)
    )
    catalog = load(
        Settings(home=tmp_path, source=None, pepper=b"p", providers={"acme": acme}, secrets={"deepseek": "k"})
    )
    assert catalog.tariff("acme/fast") is None and catalog.tariff("nonsense") is None
    found = catalog.tariff("deepseek-v4-pro")
    assert found is not None and found.model == "deepseek/deepseek-v4-pro"
    assert found.low.input_mtok < found.high.input_mtok
    assert spoken(found.hours) == "04:00-06:00, 10:00-01:00"

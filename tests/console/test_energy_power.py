"""Sums of power by week and by model, with bands, prices, and the cost of the same tokens."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fresh_store import fresh_store

from tokenworks.console import energy_use
from tokenworks.console.energy_power import (
    STALE_US,
    ModelPower,
    Power,
    PowerWeek,
    by_model,
    chart_unit,
    is_fresh,
    running,
    sums,
    weekly,
)
from tokenworks.energy.attribution import EnginePower, Rates
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import Store
from tokenworks.rankings.books import Books

NOW_US = int(datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp() * 1e6)
DAY_US = 86_400_000_000
KWH = 3_600_000_000
ENGINE = EnginePower("a", "local", "acme/a", "measured", "cpu", 1.0, 2.0, 1.0, 1.0, None)
RATES = Rates(NOW_US, {}, {}, "FR", 56.0, 0.2, 1.0, "US", 369.0, 0.1, running=(ENGINE,))


def books_of(store: Store) -> Books:
    return Books(store, now_us=lambda: NOW_US)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = fresh_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    yield made
    made.close()


def record(name: str, provider: str, days: int = 0, **more: Any) -> Record:
    return Record(name, NOW_US - days * DAY_US, model="acme/m", provider=provider, output_tokens=100, **more)


def models(store: Store, rates: Rates | None) -> list[ModelPower]:
    books = books_of(store)
    return by_model(sums(books, NOW_US), energy_use.sums(books, NOW_US), rates)


def fill(store: Store) -> None:
    known = {"energy_mj": KWH, "carbon_ug": 5_000_000}
    store.append(
        "w.1",
        0,
        [
            record("a", "local", energy_basis="measured", **known),
            record("b", "local", 7, energy_basis="estimated", **known),
            record("c", "far", energy_basis="planned", cost_nano_usd=3 * 10**9, **known),
            record("d", "far", cost_nano_usd=1 * 10**9),  # of which nothing is known
            record("e", "local", 90, energy_basis="measured", **known),  # before these weeks
        ],
    )


def test_each_week_is_told_by_how_it_is_known(store: Store) -> None:
    fill(store)
    weeks = weekly(sums(books_of(store), NOW_US), NOW_US, RATES)
    assert (len(weeks), weeks[-1].label) == (12, "2026-W48")
    this, before = weeks[-1], weeks[-2]
    assert set(this.by_basis) == {"measured", "planned"} and set(before.by_basis) == {"estimated"}
    measured, planned = this.by_basis["measured"], this.by_basis["planned"]
    assert (measured.kwh, measured.low_kwh, measured.high_kwh, measured.carbon_g) == (1.0, 0.9, 1.3, 5.0)
    assert (measured.usd, planned.usd) == (0.2, 0.1)
    assert (this.kwh, weeks[0].kwh) == (2.0, 0)
    assert measured.joules_per_token == 36_000.0


def test_models_are_told_with_the_share_of_power_in_what_the_same_tokens_cost(store: Store) -> None:
    fill(store)
    found = {(each.provider, each.basis): each for each in models(store, RATES)}
    assert set(found) == {("local", "measured"), ("local", "estimated"), ("far", "planned")}
    far = found["far", "planned"]
    assert (far.model, far.power.tokens, far.cost_usd) == ("acme/m", 100, 2.0)  # half of $4
    assert far.share == pytest.approx(0.05)
    assert found["local", "measured"].share is None, "nobody bills own tokens"


def test_power_without_a_price_has_none(store: Store) -> None:
    fill(store)
    assert {each.power.usd for each in models(store, None)} == {None}
    assert models(store, None)[0].share is None


def test_what_is_told_now_and_what_was_left_behind() -> None:
    assert is_fresh(RATES, NOW_US + STALE_US) and not is_fresh(RATES, NOW_US + STALE_US + 1)
    assert not is_fresh(None, NOW_US)
    assert running(RATES, NOW_US) == {"a": ENGINE}
    assert running(RATES, NOW_US + 2 * STALE_US) == running(None, NOW_US) == {}


@pytest.mark.parametrize(
    ("kwh", "unit"), [(0.0, "mWh"), (2e-6, "mWh"), (0.9, "Wh"), (1.0, "kWh"), (2500.0, "MWh")]
)
def test_a_chart_is_drawn_in_a_unit_of_few_digits(kwh: float, unit: str) -> None:
    assert chart_unit([PowerWeek("x", {"measured": Power(kwh=kwh)})])[1] == unit


def test_nothing_has_no_joules_of_a_token() -> None:
    assert Power().joules_per_token is None

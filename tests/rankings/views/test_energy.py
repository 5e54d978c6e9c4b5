"""Kilowatt-hours, grams and dollars of power by model, provider and how they are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ranked_ledger import Ledger, us

from tokenworks.energy import attribution, planned
from tokenworks.energy.attribution import Rates
from tokenworks.energy.planned import Planned
from tokenworks.errors import BadRequest
from tokenworks.rankings.books import Books
from tokenworks.rankings.views import ranking
from tokenworks.rankings.views.energy import UNPRICED_NOTE

MakeBooks = Callable[..., Books]
WHEN = "2026-02-20T10:00"
KWH = 3_600_000_000  # millijoules
USD = 10**9
NAMES = ("rank", "model", "provider", "basis", "energy_kwh", "share")


@pytest.fixture
def priced(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Books:
    """Power at 20 cents here and 10 elsewhere; the model b/y is planned between half and thrice as much."""
    table = {"y": Planned(("y",), 1, 1, 1, 0.5, 3.0, 8)}
    monkeypatch.setattr(planned, "table", lambda: (1.2, table))
    (tmp_path / "run").mkdir()
    rates = Rates(1, {}, {}, "FR", 56, 0.2, 1.0, "US", 369, 0.1)
    attribution.write(attribution.path(tmp_path), rates)
    return Books(ledger.store, now_us=lambda: us("2026-11-26T10:30"), home=tmp_path)


def fill(ledger: Ledger) -> None:
    own = {"model": "a/x", "provider": "local", "cost_nano_usd": 0}
    ledger.put(WHEN, 1000, energy_mj=2 * KWH, carbon_ug=112 * 10**6, energy_basis="measured", **own)
    ledger.put(WHEN, 1000, energy_mj=1 * KWH, carbon_ug=56 * 10**6, energy_basis="estimated", **own)
    far = {"model": "b/y", "provider": "beta/eu", "cost_nano_usd": 5 * USD}
    ledger.put(WHEN, 3000, energy_mj=5 * KWH, carbon_ug=9, energy_basis="planned", private=True, **far)
    ledger.put(WHEN, 1000, **{**far, "cost_nano_usd": 1 * USD})  # of which nothing is known
    ledger.put(WHEN, 1000, model="c/z", provider="beta")
    ledger.put("2026-02-10T10:00", 1000, energy_mj=4 * KWH, energy_basis="measured", **own)


def rows(here: Books, *names: str, **more: Any) -> list[tuple[Any, ...]]:
    found = ranking(here, "energy", here.period("2026-W08"), **more).rows
    return [tuple(row[name] for name in names) for row in found]


def test_energy_by_model_provider_and_basis(ledger: Ledger, priced: Books) -> None:
    fill(ledger)
    assert rows(priced, *NAMES, "change") == [
        (1, "b/y", "beta/eu", "planned", 5.0, 5 / 8, None),
        (2, "a/x", "local", "measured", 2.0, 2 / 8, -0.5),
        (3, "a/x", "local", "estimated", 1.0, 1 / 8, None),
    ]


def test_bands_grams_and_joules_of_a_token(ledger: Ledger, priced: Books) -> None:
    fill(ledger)
    assert rows(priced, "low_kwh", "high_kwh", "carbon_g", "joules_per_token", "tokens") == [
        (2.5, 15.0, 9e-6, pytest.approx(5 * 3.6e6 / 3000), 3000),
        (pytest.approx(1.8), pytest.approx(2.6), 112.0, 7200.0, 1000),
        (0.5, 2.0, 56.0, 3600.0, 1000),
    ]


def test_power_is_priced_where_it_is_used_and_held_against_the_cost_of_the_same_tokens(
    ledger: Ledger, priced: Books
) -> None:
    fill(ledger)
    assert rows(priced, "power_usd", "cost_usd", "power_share") == [
        # Of $6 for 4,000 tokens, what the 3,000 cost of which energy is known.
        (0.5, 4.5, pytest.approx(0.5 / 4.5)),
        (0.4, 0.0, None),
        (0.2, 0.0, None),
    ]
    total = ranking(priced, "energy", priced.period("2026-W08")).total
    assert (total["energy_kwh"], total["power_usd"], total["tokens"]) == (8.0, pytest.approx(1.1), 5000)
    assert (total["low_kwh"], total["high_kwh"]) == (pytest.approx(4.8), pytest.approx(19.6))


def test_the_rest_is_one_row_and_it_can_be_narrowed(ledger: Ledger, priced: Books) -> None:
    fill(ledger)
    assert rows(priced, *NAMES, "high_kwh", top=1)[1] == (
        *(None, "others", "", "", 3.0, 3 / 8),
        pytest.approx(4.6),
    )
    assert rows(priced, "basis", where={"provider": "local"}) == [("measured",), ("estimated",)]
    assert rows(priced, "model", where={"author": "b"}) == [("b/y",)]
    assert rows(priced, "model", private=False) == [("a/x",), ("a/x",)]
    with pytest.raises(BadRequest, match="can't be narrowed by key"):
        rows(priced, "model", where={"key": "k"})


def test_without_a_server_that_told_it_power_has_no_price(ledger: Ledger, books: MakeBooks) -> None:
    fill(ledger)
    here = books()
    found = ranking(here, "energy", here.period("2026-W08"))
    assert UNPRICED_NOTE in found.note
    assert {row["power_usd"] for row in found.rows} == {None} and found.total["power_share"] is None
    assert found.rows[0]["energy_kwh"] == 5.0

"""The page of energy: watts now, joules of a token, and what power took by week and by model."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from tokenworks.config.settings import EnergySettings, EngineSettings
from tokenworks.console.energy import drawn, stacked
from tokenworks.console.energy_power import Power, PowerWeek
from tokenworks.console.energy_use import sums, weekly
from tokenworks.energy import attribution
from tokenworks.energy.attribution import EnginePower, MachinePower, Rate, Rates
from tokenworks.engines.load import Load
from tokenworks.engines.manager import EngineState
from tokenworks.ledger.record import Record
from tokenworks.rankings.books import Books

NOW_US = int(datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp() * 1e6)
WEEK_US = 7 * 86_400_000_000


def used(name: str, provider: str, at_us: int = NOW_US, **more: Any) -> Record:
    return Record(name, at_us, "k_1", model="acme/a", provider=provider, outcome="ok", status=200, **more)


RATE = Rate(25_000, 0, 75_000, "estimated", 56, 0.5, 2.0)
RATES = Rates(
    NOW_US,
    {"local": {"acme/a": RATE}},
    {},
    *("FR", 56.0, 0.2, 1.1),
    *("US", 369.0, 0.1),
    machine=MachinePower(
        *("estimated", NOW_US - 9_000_000, 7.3, 1.5),
        *(3_600_000.0, 1_800_000.0, 1_800_000.0),
        problems=("a <counter> is for root only",),
    ),
    running=(EnginePower("small", "local", "acme/a", "estimated", "cpu", 3.5, 10.0, 4.0, 6.0, RATE),),
)


class Link:
    """Knows of one engine, as a worker's link to the supervisor does."""

    def states(self) -> list[EngineState]:
        return [EngineState("small", "failed", api_key="secret", reason="no <file>")]


async def test_nobody_sees_energy_without_signing_in(opened: Any) -> None:
    assert (await opened().get("/console/energy")).status_code == 303


async def test_it_says_that_nothing_is_metered_and_how_to_begin(opened: Any) -> None:
    browser = opened()
    await browser.sign_in()
    text = (await browser.get("/console/energy")).text
    assert "The meter has told nothing" in text
    assert "tokenworks model add smollm2" in text
    assert "tokenworks chat" in text
    assert "<canvas" not in text  # nothing is drawn where nothing was used
    text = (await browser.get("/console/energy", headers={"accept-language": "zh"})).text
    assert "没有电表数据" in text
    off = opened(energy=EnergySettings(enabled=False))
    await off.sign_in()
    assert "[energy] enabled is false" in (await off.get("/console/energy")).text


async def test_own_tokens_stand_against_those_from_elsewhere(opened: Any) -> None:
    browser = opened(now_us=lambda: NOW_US)
    await browser.sign_in()
    rows = [
        used("gen-1", "local", output_tokens=3_000, latency_us=2_000_000),
        used("gen-2", "elsewhere", output_tokens=1_000, cost_nano_usd=5_000_000_000),
    ]
    browser.store.append("w.1", 0, rows)
    text = (await browser.get("/console/energy")).text
    for each in ("2026-W48", "75.0 %", "$5.00", "2 s", "<canvas"):
        assert each in text, each
    assert "Nothing is known of energy yet" in text
    data = stacked(weekly(sums(Books(browser.store, now_us=lambda: NOW_US), NOW_US), NOW_US))
    assert (data["labels"][-1], data["own"][-1], data["remote"][-1]) == ("2026-W48", 3_000, 1_000)
    assert len(data["labels"]) == 12


async def test_engines_are_shown_as_they_stand(opened: Any, tmp_path: Path) -> None:
    (tmp_path / "small.gguf").write_bytes(b"GGUF" * 1024 * 1024)
    engines = {
        "small": EngineSettings("acme/a", str(tmp_path / "small.gguf")),
        "lost": EngineSettings("acme/<b>", str(tmp_path / "lost.gguf")),
    }
    browser = opened(engines=engines)
    await browser.sign_in()
    text = (await browser.get("/console/energy")).text
    assert "4 MiB" in text
    assert "file is missing" in text
    assert "acme/&lt;b&gt;" in text
    assert "not known here" in text
    browser.site.engines = Link()
    text = (await browser.get("/console/energy")).text
    assert "failed" in text
    assert "no &lt;file&gt;" in text
    assert "starts with the first request" in text
    assert "secret" not in text


async def test_a_server_of_ones_own_is_shown_with_its_load(opened: Any) -> None:
    server = EngineSettings("acme/big", runtime="openai_server", url="http://10.0.0.5:8000", slots=0)
    browser = opened(engines={"big": server, "away": server})
    await browser.sign_in()
    states = [
        EngineState("big", "ready", url=server.url, load=Load(running=7, waiting=19, kv_used=0.375)),
        EngineState("away", "unreachable", url=server.url, reason="refuses connections"),
    ]
    browser.site.engines = SimpleNamespace(states=lambda: states)
    text = (await browser.get("/console/energy")).text
    for each in ("10.0.0.5:8000", ">7<", ">19<", "37.5 %", "not reached", "refuses connections"):
        assert each in text, each
    assert "file is missing" not in text


async def test_power_is_told_with_its_basis_and_band(opened: Any, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    attribution.write(attribution.path(tmp_path), RATES)
    browser = opened(now_us=lambda: NOW_US, engines={"small": EngineSettings("acme/a", "small.gguf")})
    await browser.sign_in()
    power = {"energy_mj": 7_200_000_000, "carbon_ug": 112_000_000}
    rows = [
        used("gen-1", "local", output_tokens=3_000, energy_basis="estimated", **power),
        used(
            "gen-2",
            "elsewhere",
            output_tokens=900,
            cost_nano_usd=4_000_000_000,
            energy_basis="planned",
            **power,
        ),
    ]
    browser.store.append("w.1", 0, rows)
    text = (await browser.get("/console/energy")).text.replace("\u00a0", " ")
    # Of the machine: watts, and to whom its joules went.
    for each in ("7.3 W", "1.5 W", "500 Wh", "50.0 % of all", "a &lt;counter&gt; is for root only"):
        assert each in text, each
    assert "an estimate by processor time" in text
    # Of the engine: 25 mJ to read a token, 75 to write one.
    for each in ("3.5 W", "25 mJ", "75 mJ", "(FR), PUE 1.10", "$0.20 and 56 g"):
        assert each in text, each
    # By week and model: 2 kWh, between 1 and 4; at 20 and 10 cents; 5 % of $4.
    for each in ("2 kWh", "1 kWh – 4 kWh", "112 g", "$0.40", "$0.20", "5.0 %", "2.4 kJ", "planned"):
        assert each in text, each
    assert "<canvas" in text and 'data-chart="energy-power-data"' in text
    chinese = (await browser.get("/console/energy", headers={"accept-language": "zh"})).text
    assert "估算" in chinese and "规划值" in chinese


async def test_watts_of_a_server_that_is_gone_are_not_shown(opened: Any, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    attribution.write(attribution.path(tmp_path), msgspec.structs.replace(RATES, at_us=NOW_US - 60_000_000))
    browser = opened(now_us=lambda: NOW_US, engines={"small": EngineSettings("acme/a", "small.gguf")})
    await browser.sign_in()
    text = (await browser.get("/console/energy")).text.replace("\u00a0", " ")
    assert "7.3 W" not in text and "3.5 W" not in text
    assert "The meter has told nothing" in text
    assert "75 mJ" in text, "what a token takes is still known"


def test_a_chart_has_one_unit_and_a_series_for_each_basis() -> None:
    weeks = [
        PowerWeek("2026-W47", {}),
        PowerWeek("2026-W48", {"measured": Power(kwh=0.0125), "planned": Power(kwh=0.5)}),
    ]
    assert drawn(weeks) == {
        "unit": "Wh",
        "labels": ["2026-W47", "2026-W48"],
        "series": {"measured": [0, 12.5], "planned": [0, 500.0]},
    }
    assert drawn(weeks[:1]) is None

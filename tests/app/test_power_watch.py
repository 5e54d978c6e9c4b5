"""The watch of a running server: the real engine of this machine, and what is told of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from tokenworks.app.power_watch import PowerWatch, servers
from tokenworks.config.settings import (
    EnergySettings,
    EngineSettings,
    ProviderModelSettings,
    ProviderSettings,
    Settings,
)
from tokenworks.energy import attribution
from tokenworks.energy.attribution import ESTIMATED, of, read
from tokenworks.energy.counters import Counters, Domain
from tokenworks.energy.engine_metrics import Counts
from tokenworks.energy.meter import FULL_W_PER_CORE, Meter
from tokenworks.engines.manager import EngineState
from tokenworks.errors import ConfigError


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., tuple[PowerWatch, dict[str, Counts]]]:
    """``made(energy, states)``: a watch without counters, on engines that tell what stands in a dict."""
    (tmp_path / "run").mkdir()

    def make(energy: EnergySettings, states: list[EngineState]) -> tuple[PowerWatch, dict[str, Counts]]:
        counts: dict[str, Counts] = {}
        meter = Meter(
            Counters([]), cores=4, proc=tmp_path / "noproc", ask=lambda url, key: counts.get(f"{url} {key}")
        )
        engines = {each.name: EngineSettings(f"acme/{each.name}", "x.gguf", threads=2) for each in states}
        settings = Settings(tmp_path, None, energy=energy, engines=engines)
        return PowerWatch(settings, lambda: states, meter=meter, now_us=lambda: 77), counts

    return make


def test_what_a_token_takes_is_told_with_pue(made: Any, tmp_path: Path) -> None:
    states = [EngineState("a", "ready", 81, "k"), EngineState("b", "starting", 82)]
    watch, counts = made(EnergySettings(region="FR", pue=1.5, remote_region="SE"), states)
    counts["http://127.0.0.1:81/metrics k"] = Counts(0, 0, 0, 0.0, 0.0)
    watch.turn(0.0)
    counts["http://127.0.0.1:81/metrics k"] = Counts(1000, 50, 100, 1.0, 3.0)
    watch.turn(10.0)
    rates = read(tmp_path / "run" / "energy.json")
    assert rates is not None and rates == watch.rates
    joules = 4.0 * 2 * FULL_W_PER_CORE  # 4 s of two threads
    rate = rates.engines["local"]["acme/a"]
    assert rate.prefill_uj == round(joules / 4 * 1e6 / 1000 * 1.5)
    assert rate.decode_uj == round(joules * 3 / 4 * 1e6 / 100 * 1.5)
    assert (rate.cached_uj, rate.basis, rate.low, rate.high) == (0, ESTIMATED, 0.5, 2.0)
    mj, ug, basis = of(rates, "local", "acme/a", 1000, 50, 100)
    assert mj == pytest.approx(joules * 1.5 * 1000, rel=0.001)
    assert (ug, basis) == (mj * rate.g_per_kwh // 3600, ESTIMATED)
    [engine] = rates.running
    assert (engine.name, engine.joules) == ("a", pytest.approx(joules))
    assert (rates.region, rates.remote_region, rates.pue, rates.at_us) == ("FR", "SE", 1.5, 77)
    assert rates.machine is not None and rates.machine.engines_joules == pytest.approx(joules)


def test_two_engines_of_one_model_are_told_as_their_mean(made: Any) -> None:
    states = [EngineState("a", "ready", 81), EngineState("b", "ready", 82)]
    watch, counts = made(EnergySettings(), states)
    watch._settings = msgspec.structs.replace(
        watch._settings, engines={name: EngineSettings("acme/m", "x", threads=1) for name in "ab"}
    )
    for port, seconds in ((81, 1.0), (82, 3.0)):
        counts[f"http://127.0.0.1:{port}/metrics "] = Counts(0, 0, 0, 0.0, 0.0)
        watch.turn(port * 1.0)
        counts[f"http://127.0.0.1:{port}/metrics "] = Counts(100, 0, 100, seconds, seconds)
    watch.turn(90.0)
    rate = watch.rates.engines["local"]["acme/m"]
    assert rate.decode_uj == round(2 * FULL_W_PER_CORE * 1e6 / 100)


def test_what_was_learnt_outlives_the_server(made: Any, tmp_path: Path) -> None:
    watch, counts = made(EnergySettings(), [EngineState("a", "ready", 81)])
    counts["http://127.0.0.1:81/metrics "] = Counts(0, 0, 0, 0.0, 0.0)
    watch.turn(0.0)
    counts["http://127.0.0.1:81/metrics "] = Counts(100, 0, 100, 1.0, 1.0)
    watch.turn(10.0)
    learnt = watch.rates.engines
    again = PowerWatch(Settings(tmp_path, None), lambda: [], meter=Meter(Counters([]), cores=4))
    again.turn(0.0)
    assert again.rates is not None and again.rates.engines == learnt


def test_what_was_learnt_is_told_at_todays_pue_and_only_of_what_runs_here(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    rate = attribution.Rate(1000, 0, 2000, "measured", g_per_kwh=400)
    engines = {"local": {"acme/a": rate}, "moved": {"acme/b": rate}}
    old = attribution.Rates(1, engines, {}, "FR", 50.0, 0.1, 1.0, "SE", 20.0, 0.1)
    attribution.write(attribution.path(tmp_path), old)
    energy = EnergySettings(pue=1.5, g_per_kwh=30.0)
    moved = ProviderSettings(
        base_url="https://api.example.com/v1", models=(ProviderModelSettings(id="acme/b"),)
    )
    settings = Settings(tmp_path, None, energy=energy, providers={"moved": moved})
    watch = PowerWatch(settings, lambda: [], meter=Meter(Counters([]), cores=4))
    watch.turn(0.0)
    assert watch.rates is not None
    assert watch.rates.engines == {
        "local": {"acme/a": attribution.Rate(1500, 0, 3000, "measured", g_per_kwh=30)}
    }


def test_prices_that_are_set_go_before_the_region_s(made: Any) -> None:
    watch, _ = made(EnergySettings(region="FR", usd_per_kwh=0.3, g_per_kwh=11.0), [])
    watch.turn(0.0)
    assert (watch.rates.usd_per_kwh, watch.rates.g_per_kwh) == (0.3, 11.0)


def test_a_region_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no region is called"):
        PowerWatch(Settings(tmp_path, None, energy=EnergySettings(region="Atlantis")), lambda: [])


def test_it_runs_until_it_is_stopped_and_reads_this_machine(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    watch = PowerWatch(Settings(tmp_path, None), lambda: [])
    stop = threading.Event()
    thread = threading.Thread(target=watch.run, args=(stop,))
    thread.start()
    try:
        deadline = time.monotonic() + 5
        while read(attribution.path(tmp_path)) is None and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        stop.set()
        thread.join(5)
    assert not thread.is_alive()
    rates = read(attribution.path(tmp_path))
    assert rates is not None and rates.machine is not None


def test_one_that_is_switched_off_tells_nothing(tmp_path: Path) -> None:
    file = attribution.path(tmp_path)
    file.parent.mkdir()
    file.write_text("{}")
    watch = PowerWatch(Settings(tmp_path, None, energy=EnergySettings(enabled=False)), lambda: [])
    watch.run(threading.Event())
    assert watch.rates is None and not file.exists()


def test_a_fault_of_the_meter_does_not_end_the_server(
    made: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, _ = made(EnergySettings(), [])
    monkeypatch.setattr(Meter, "turn", lambda *_: 1 / 0)
    watch.run(threading.Event())
    assert "energy is not counted" in caplog.text


def test_a_file_that_can_not_be_written_ends_nothing(
    made: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watch, _ = made(EnergySettings(), [])
    (tmp_path / "run" / "energy.part").mkdir()  # as good as a full disk, for root too
    watch.turn(0.0)
    watch.turn(5.0)
    assert watch.rates is not None and "power: " in caplog.text
    (tmp_path / "run" / "energy.part").rmdir()
    watch.turn(10.0)
    assert read(attribution.path(tmp_path)) == watch.rates


def test_servers_of_one_model_on_this_machine_are_watched_where_gpus_are_counted(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    one = (ProviderModelSettings(id="acme/big"),)
    two = (*one, ProviderModelSettings(id="acme/small"))
    settings = Settings(
        tmp_path,
        None,
        providers={
            "mine": ProviderSettings(base_url="http://127.0.0.1:8000/v1", models=one),
            "many": ProviderSettings(base_url="http://127.0.0.1:8001/v1", models=two),
            "far": ProviderSettings(base_url="https://api.example.com/v1", models=one),
            "off": ProviderSettings(base_url="http://localhost:8002/v1", models=one, enabled=False),
        },
        secrets={"mine": "sk-1"},
    )
    [server] = servers(settings)
    assert (server.name, server.provider, server.model, server.on) == ("mine", "mine", "acme/big", "gpu")
    assert (server.url, server.api_key) == ("http://127.0.0.1:8000/metrics", "sk-1")

    class Gpu:
        problem, sampled = "", False
        domains: ClassVar[list[Domain]] = [Domain("gpu 0", "gpu")]

        def read(self, now_s: float) -> None:
            pass

    asked: list[str] = []
    told = [Counts(0, 0, 0, 0.0, 0.0), Counts(1000, 0, 100, 1.0, 4.0)]

    def ask(url: str, key: str) -> Counts:
        asked.append(url)
        return told[min(len(asked), 2) - 1]

    meter = Meter(Counters([Gpu()]), cores=4, proc=tmp_path / "noproc", ask=ask)
    watch = PowerWatch(settings, lambda: [], meter=meter)
    watch.turn(0.0)
    Gpu.domains[0].joules += 1000.0
    watch.turn(10.0)
    assert asked == ["http://127.0.0.1:8000/metrics"] * 2
    assert watch.rates is not None
    rate = watch.rates.engines["mine"]["acme/big"]
    assert (rate.basis, of(watch.rates, "mine", "acme/big", 1000, 0, 100)[0]) == ("measured", 500_000)


def test_servers_among_the_engines_are_metered_where_they_use_this_machines_gpus(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()

    class Gpu:
        problem, sampled = "", False
        domains: ClassVar[list[Domain]] = [Domain("gpu 0", "gpu")]

        def read(self, now_s: float) -> None:
            pass

    settings = Settings(
        tmp_path,
        None,
        engines={name: EngineSettings(f"acme/{name}", url="x") for name in ("near", "far", "gone")},
    )
    states = [
        EngineState("near", "ready", api_key="k", url="http://127.0.0.1:8000"),
        EngineState("far", "ready", url="http://10.0.0.5:8000"),
        EngineState("gone", "unreachable", url="http://127.0.0.1:8001"),
    ]
    asked: list[tuple[str, str]] = []

    def ask(url: str, key: str) -> Counts | None:
        asked.append((url, key))
        return None

    for counters in (Counters([Gpu()]), Counters([])):
        meter = Meter(counters, cores=4, proc=tmp_path / "noproc", ask=ask)
        PowerWatch(settings, lambda: states, meter=meter).turn(0.0)
        assert asked == [("http://127.0.0.1:8000/metrics", "k")]

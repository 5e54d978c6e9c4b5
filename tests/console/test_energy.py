"""The page of energy: what is known before anybody measures power."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tokenworks.config.settings import EngineSettings
from tokenworks.console.energy import stacked
from tokenworks.console.energy_use import weekly
from tokenworks.engines.manager import EngineState
from tokenworks.ledger.record import Record

NOW_US = int(datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp() * 1e6)
WEEK_US = 7 * 86_400_000_000


def used(name: str, provider: str, at_us: int = NOW_US, **more: Any) -> Record:
    return Record(name, at_us, "k_1", model="acme/a", provider=provider, outcome="ok", status=200, **more)


class Link:
    """Knows of one engine, as a worker's link to the supervisor does."""

    def states(self) -> list[EngineState]:
        return [EngineState("small", "failed", api_key="secret", reason="no <file>")]


async def test_nobody_sees_energy_without_signing_in(opened: Any) -> None:
    assert (await opened().get("/console/energy")).status_code == 303


async def test_it_says_that_power_is_not_measured_and_how_to_begin(browser: Any) -> None:
    text = (await browser.get("/console/energy")).text
    assert "Power is not measured yet" in text
    assert "tokenworks model add smollm2" in text
    assert "tokenworks chat" in text
    assert "<canvas" not in text  # nothing is drawn where nothing was used
    text = (await browser.get("/console/energy", headers={"accept-language": "zh"})).text
    assert "尚未测量功耗" in text


async def test_own_tokens_stand_against_those_from_elsewhere(opened: Any) -> None:
    browser = opened(now_us=lambda: NOW_US)
    await browser.sign_in()
    rows = [
        used("gen-1", "local", output_tokens=3_000, latency_us=2_000_000),
        used("gen-2", "elsewhere", output_tokens=1_000, cost_nano_usd=5_000_000_000),
    ]
    browser.store.append("w.1", 0, rows)
    text = (await browser.get("/console/energy")).text
    for each in ("2026-W48", "75.0 %", "$5.00", "acme/a", "2 s", "<canvas"):
        assert each in text, each
    assert "joule" in text  # in the sentence that there are none
    data = stacked(weekly(browser.store, NOW_US))
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

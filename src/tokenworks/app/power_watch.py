"""Watches what this machine takes while the server runs, and tells workers what a token takes of it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

import msgspec

from tokenworks.config.rules import LOCAL
from tokenworks.config.settings import EngineSettings, Settings
from tokenworks.energy import attribution, grid, planned
from tokenworks.energy.attribution import EnginePower, MachinePower, Rate, Rates
from tokenworks.energy.counters import Counters
from tokenworks.energy.meter import Meter, Seen, Watched
from tokenworks.engines.state import EngineState

log = logging.getLogger(__name__)

EVERY_S = 5.0
SAMPLE_S = 1.0  # where power is sampled

_LOOPBACK = ("localhost", "127.0.0.1", "::1")

States = Callable[[], Iterable[EngineState]]


class PowerWatch:
    """One thread of the supervisor. Raises ``ConfigError`` for a region that there is not."""

    def __init__(
        self,
        settings: Settings,
        states: States,
        *,
        meter: Meter | None = None,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """``states``: of all engines, asked from this thread. ``meter`` is the machine's unless given."""
        energy = settings.energy
        here = grid.region(energy.region, settings.home)
        there = grid.region(energy.remote_region, settings.home)
        self._settings = settings
        self._states = states
        self._now_us = now_us
        self._file = attribution.path(settings.home)
        self._g_per_kwh = here.g_per_kwh if energy.g_per_kwh is None else energy.g_per_kwh
        self._usd_per_kwh = here.usd_per_kwh if energy.usd_per_kwh is None else energy.usd_per_kwh
        self._region, self._there = here.id, there
        self._meter = meter
        self._since_us = now_us()
        self._former = _remembered(attribution.read(self._file), settings, round(self._g_per_kwh))
        self.rates: Rates | None = None  # the last that were told; any thread may read it

    def run(self, stop: threading.Event) -> None:
        """Until ``stop`` is set."""
        if not self._settings.energy.enabled:
            try:
                self._file.unlink(missing_ok=True)
            except OSError as error:
                log.error("power: %s", error)
            return
        try:
            meter = self._opened()
            turn_at = time.monotonic()
            while True:
                if time.monotonic() >= turn_at:
                    turn_at = time.monotonic() + EVERY_S
                    self.turn(time.monotonic())
                else:
                    meter.counters.read(time.monotonic())
                if stop.wait(SAMPLE_S if meter.counters.sampled else EVERY_S):
                    return
        except Exception:  # a server without a meter is a server still
            log.exception("power: unexpected; energy is not counted until the server is started again")

    def turn(self, now_s: float) -> None:
        """Look once and tell. ``now_s`` of a clock that never goes back."""
        meter = self._opened()
        meter.turn(now_s, self._watched())
        self.rates = self._told(meter)
        try:
            attribution.write(self._file, self.rates)
        except OSError as error:  # a full disk must not end the watch
            log.error("power: %s", error)

    def _opened(self) -> Meter:
        """The meter, opened by the thread that uses it."""
        if self._meter is None:
            energy = self._settings.energy
            self._meter = Meter(
                Counters.of_machine(),
                cores=os.cpu_count() or 1,
                idle_watts=energy.idle_watts,
                full_watts=energy.full_watts,
            )
            for problem in self._meter.counters.problems:
                log.warning("power: %s", problem)
        return self._meter

    # --- which engines --------------------------------------------------------------------------

    def _watched(self) -> list[Watched]:
        engines = self._settings.engines
        found = [
            _watched(state, engines[state.name])
            for state in self._states()
            if state.state == "ready" and state.name in engines and not state.url
        ]
        if self._opened().counters.joules("gpu") is not None:
            found += [_server(state, engines[state.name]) for state in self._states() if _is_here(state)]
            found += servers(self._settings)
        return found

    # --- what is told ---------------------------------------------------------------------------

    def _told(self, meter: Meter) -> Rates:
        running = tuple(self._engine(seen) for seen in meter.engines.values())
        learnt = _learnt(running)
        own = {
            name: {**self._former.get(name, {}), **learnt.get(name, {})}
            for name in {**self._former, **learnt}
        }
        self._former = own
        return Rates(
            at_us=self._now_us(),
            engines=own,
            models=planned.everything(self._there.g_per_kwh),
            region=self._region,
            g_per_kwh=self._g_per_kwh,
            usd_per_kwh=self._usd_per_kwh,
            pue=self._settings.energy.pue,
            remote_region=self._there.id,
            remote_g_per_kwh=self._there.g_per_kwh,
            remote_usd_per_kwh=self._there.usd_per_kwh,
            machine=MachinePower(
                basis=meter.basis,
                since_us=self._since_us,
                watts=meter.watts,
                idle_watts=meter.idle_watts,
                engines_joules=meter.engines_joules,
                other_joules=meter.other_joules,
                idle_joules=meter.idle_joules,
                counters=tuple(domain.name for domain in meter.counters.domains),
                problems=tuple(meter.counters.problems),
            ),
            running=running,
        )

    def _engine(self, seen: Seen) -> EnginePower:
        phases = seen.phases
        token = phases.per_token()
        low, high = planned.band(seen.basis, seen.watched.model)
        pue = self._settings.energy.pue
        rate = token and Rate(
            prefill_uj=round(token.prefill_uj * pue),
            cached_uj=0,  # reading it from a cache takes no time that an engine would tell
            decode_uj=round(token.decode_uj * pue),
            basis=seen.basis,
            g_per_kwh=round(self._g_per_kwh),
            low=low,
            high=high,
        )
        return EnginePower(
            name=seen.watched.name,
            provider=seen.watched.provider,
            model=seen.watched.model,
            basis=seen.basis,
            on=seen.watched.on,
            watts=seen.watts,
            joules=phases.joules,
            prefill_joules=phases.prefill_joules,
            decode_joules=phases.decode_joules,
            rate=rate or None,
        )


def servers(settings: Settings) -> list[Watched]:
    """Servers of one model that somebody else started on this machine: providers on loopback.

    They are taken to use its GPUs, so there is nothing to look at where none is counted.
    """
    found = []
    for name, provider in settings.providers.items():
        url = urlsplit(provider.base_url or "")
        if provider.enabled and len(provider.models) == 1 and url.hostname in _LOOPBACK:
            found.append(
                Watched(
                    name=name,
                    provider=name,
                    model=provider.models[0].id,
                    on="gpu",
                    url=f"{url.scheme}://{url.netloc}/metrics",
                    api_key=settings.secrets.get(name, ""),
                )
            )
    return found


def _is_here(state: EngineState) -> bool:
    """A server among our engines that somebody started on this machine, and that answers."""
    return state.state == "ready" and urlsplit(state.url).hostname in _LOOPBACK


def _server(state: EngineState, engine: EngineSettings) -> Watched:
    return Watched(
        name=state.name,
        provider=LOCAL,
        model=engine.model,
        on="gpu",
        url=f"{state.url}/metrics",
        api_key=state.api_key,
    )


def _remembered(former: Rates | None, settings: Settings, g_per_kwh: int) -> dict[str, dict[str, Rate]]:
    """What was learnt before a new start, of what still runs here, at the PUE and grams of now."""
    found: dict[str, dict[str, Rate]] = {LOCAL: {}}
    if former is None:
        return found
    here = {LOCAL, *(each.provider for each in servers(settings))}
    factor = settings.energy.pue / former.pue
    for provider, rates in former.engines.items():
        if provider in here:
            found[provider] = {
                model: msgspec.structs.replace(
                    rate,
                    prefill_uj=round(rate.prefill_uj * factor),
                    decode_uj=round(rate.decode_uj * factor),
                    g_per_kwh=g_per_kwh,
                )
                for model, rate in rates.items()
            }
    return found


def _learnt(running: Iterable[EnginePower]) -> dict[str, dict[str, Rate]]:
    """What a token takes, by provider and model: the mean of the engines that run it, for a request may go to
    any of them."""
    found: dict[tuple[str, str], list[Rate]] = {}
    for each in running:
        if each.rate is not None:
            found.setdefault((each.provider, each.model), []).append(each.rate)
    learnt: dict[str, dict[str, Rate]] = {}
    for (provider, model), rates in found.items():
        learnt.setdefault(provider, {})[model] = msgspec.structs.replace(
            rates[0],
            prefill_uj=sum(each.prefill_uj for each in rates) // len(rates),
            decode_uj=sum(each.decode_uj for each in rates) // len(rates),
        )
    return learnt


def _watched(state: EngineState, engine: EngineSettings) -> Watched:
    return Watched(
        name=state.name,
        provider=LOCAL,
        model=engine.model,
        on="cpu",
        url=f"http://127.0.0.1:{state.port}/metrics",
        api_key=state.api_key,
        pid=state.pid,
        threads=engine.threads,
    )

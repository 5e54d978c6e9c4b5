"""``tokenworks engine status``: how engines are, and what they have to do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from tokenworks.cli.engine.listed import NONE
from tokenworks.cli.home import Place, no_server, placed
from tokenworks.cli.table import print_json, print_table

if TYPE_CHECKING:
    from tokenworks.config.settings import EngineSettings, Settings
    from tokenworks.engines.load import Load
    from tokenworks.engines.state import EngineState

EVERY_S = 2.0
COLUMNS = (
    *("engine", "state", "kind", "model", "running", "waiting", "KV used", "KV free"),
    *("prefix hits", "prompt tok/s", "output tok/s"),
)


@click.command()
@placed
@click.argument("name", required=False)
@click.option("--watch", is_flag=True, help="Every two seconds, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document; with --watch one a line.")
def status(place: Place, name: str | None, watch: bool, as_json: bool) -> None:
    """Show how engines are: state, requests, KV cache, prefix hits and speed.

    While a server runs on this home it knows; else servers of your own are asked once, which tells no speed.
    KV free is in tokens. Prefix hits are of the last five minutes, speeds of the last ten seconds.

    \b
    Examples:
      tokenworks engine status
      tokenworks engine status big --watch
    """
    from tokenworks.errors import ConfigError

    settings = place.settings()
    if name is not None and name not in settings.engines:
        known = ", ".join(sorted(settings.engines)) or "none"
        raise ConfigError(f'no engine is called "{name}"; there are: {known}')
    while True:
        running, states = _states(settings, name)
        if watch and not as_json:
            click.clear()
        _print(settings, running, states, as_json=as_json)
        if not watch:
            return
        time.sleep(EVERY_S)


def _states(settings: Settings, name: str | None) -> tuple[bool, list[EngineState]]:
    """Whether a server runs here, and what is known of each engine."""
    from concurrent.futures import ThreadPoolExecutor

    from tokenworks.engines.board import Board
    from tokenworks.engines.openai_server import ServerWatch
    from tokenworks.engines.state import EngineState

    def now(each: str) -> EngineState:
        engine = settings.engines[each]
        if not engine.runs_elsewhere:
            return EngineState(each, kind=engine.runtime)
        key = settings.engine_keys.get(each, "")
        return ServerWatch(each, engine, key, lambda state: None).glance()

    names = sorted(settings.engines) if name is None else [name]
    running = False
    if settings.home.is_dir():
        with no_server(settings.home) as idle:
            running = not idle
    if running:
        posted = Board(settings.home).read()
        return True, [posted.get(each) or EngineState(each) for each in names]
    with ThreadPoolExecutor(max(1, len(names))) as threads:
        return False, list(threads.map(now, names))


def _print(settings: Settings, running: bool, states: list[EngineState], *, as_json: bool) -> None:
    pairs = [(each, settings.engines[each.name]) for each in states]
    if as_json:
        print_json({"server": running, "engines": [_document(*each) for each in pairs]})
        return
    print_table(COLUMNS, [_row(*each) for each in pairs], empty=NONE)
    for state, _ in pairs:
        if state.reason:
            click.secho(f"{state.name}: {state.reason}", err=True, dim=True)


def _document(state: EngineState, engine: EngineSettings) -> dict[str, Any]:
    load = state.load
    return {
        "engine": state.name,
        "state": state.state,
        "reason": state.reason or None,
        "kind": state.kind or None,
        "model": engine.model,
        "url": engine.url or None,
        "slots": engine.slots or None,
        "running": load.running if load else None,
        "waiting": load.waiting if load else None,
        "kv_used": load.kv_used if load else None,
        "kv_tokens": load.kv_tokens if load else None,
        "kv_free_tokens": load.kv_free_tokens if load else None,
        "cached": load.cached if load else None,
        "prompt_per_s": load.prompt_per_s if load else None,
        "output_per_s": load.output_per_s if load else None,
    }


def _row(state: EngineState, engine: EngineSettings) -> tuple[Any, ...]:
    from tokenworks.engines.exposition import title

    return (state.name, state.state, title(state.kind), engine.model, *_figures(state.load, engine.slots))


def _figures(load: Load | None, slots: int) -> tuple[Any, ...]:
    if load is None:
        return ("",) * 7
    return (
        f"{load.running} of {slots}" if slots else load.running,
        load.waiting,
        _percent(load.kv_used),
        load.kv_free_tokens,
        _percent(load.cached),
        load.prompt_per_s,
        load.output_per_s,
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"

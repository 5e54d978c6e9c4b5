"""``tokenworks serve``: start the server, and say where it is and how to try it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tokenworks.cli.home import Place, placed
from tokenworks.cli.init import Prepared, prepare

if TYPE_CHECKING:
    from tokenworks.config.settings import Settings

MODELS_SHOWN = 8
NO_MODELS = "none yet; tokenworks model add smollm2, or give a provider's key (docs/configuration.md)"


def _host(_: click.Context, __: click.Parameter, host: str | None) -> str | None:
    """``--host``, refused before anything is made."""
    from tokenworks.config.rules import problem
    from tokenworks.config.settings import ServerSettings

    if host is not None and (complaint := problem(ServerSettings, "host", host)):
        raise click.BadParameter(complaint)
    return host


@click.command()
@placed
@click.option("--host", callback=_host, help="Address to listen on [127.0.0.1].")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on, 0 for any free one [8642].")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes that answer requests [1].")
@click.pass_context
def serve(
    context: click.Context, place: Place, host: str | None, port: int | None, workers: int | None
) -> None:
    """Start the server; Ctrl-C or SIGTERM lets open answers finish and ends it.

    Makes the home folder where there is none. Options beat the config file.

    \b
    Examples:
      tokenworks serve
      tokenworks serve --home /srv/tokenworks --host 0.0.0.0 --port 80 --workers 4
    """
    import logging

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    prepared = prepare(place, require_secrets=True)
    settings = _with_options(prepared.settings, host, port, workers)
    shown = False

    def on_ready(url: str) -> None:
        nonlocal shown
        shown = True
        click.echo(banner(url, settings, prepared))

    try:
        from tokenworks.app import supervisor  # takes long: after a mistake in the config had its say

        status = supervisor.run(settings, on_ready)
    finally:
        if prepared.key is not None and not shown:  # a key that was made must be seen once
            click.echo(f"key     {prepared.key[1]}   (shown only now)")
    context.exit(status)


def banner(url: str, settings: Settings, prepared: Prepared) -> str:
    """What a person needs to send the first request."""
    from tokenworks import __version__
    from tokenworks.catalog.load import load as load_catalog

    catalog = load_catalog(settings)
    models = sorted(name for name, endpoints in catalog.endpoints.items() if endpoints)
    lines = [f"Tokenworks {__version__} at {url}", f"home    {settings.home}"]
    if prepared.key is not None:
        lines.append(f"key     {prepared.key[1]}   (shown only now)")
    lines.append(f"models  {_models(models) or NO_MODELS}")
    for name, engine in sorted(settings.engines.items()):
        if engine.runs_elsewhere:
            lines.append(f"engine  {name}: {engine.model} at {engine.url}")
            continue
        lines.append(f"engine  {name}: {engine.model}, {engine.slots} slots, starts with its first request")
    if models:
        lines.append("try     " + _curl(url, settings, prepared, models))
    return "\n".join(lines)


def _with_options(settings: Settings, host: str | None, port: int | None, workers: int | None) -> Settings:
    import msgspec

    given = {"host": host, "port": port, "workers": workers}
    server = msgspec.structs.replace(
        settings.server, **{name: value for name, value in given.items() if value is not None}
    )
    return msgspec.structs.replace(settings, server=server)


def _models(models: list[str]) -> str:
    more = len(models) - MODELS_SHOWN
    return ", ".join(models[:MODELS_SHOWN]) + (
        f" and {more} more (tokenworks model list)" if more > 0 else ""
    )


def _curl(url: str, settings: Settings, prepared: Prepared, models: list[str]) -> str:
    """A line that works when pasted: on a model of our own, which needs no key here, if there is one."""
    import json
    import shlex

    own = next((settings.engines[name] for name in sorted(settings.engines)), None)
    model = models[0] if own is None else next(iter(own.aliases), own.model)
    body = {"model": model, "messages": [{"role": "user", "content": "Say hello."}]}
    key = "$TOKENWORKS_KEY" if prepared.key is None else prepared.key[1]
    parts = [f"curl {url}/v1/chat/completions", "-H 'content-type: application/json'"]
    if own is None or not settings.server.keyless:
        parts.append(f'-H "authorization: Bearer {key}"')
    parts.append("-d " + shlex.quote(json.dumps(body, separators=(",", ":"))))
    return " ".join(parts)

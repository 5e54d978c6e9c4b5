"""``tokenworks launch``: start a coding agent that works against the running server."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from tokenworks.cli.home import Place, placed, server_url
from tokenworks.cli.table import print_json

if TYPE_CHECKING:
    from tokenworks.cli.agents.agent import Agent, Launch, Model
    from tokenworks.config.settings import Settings


@click.command()
@placed
@click.argument("agent")
@click.argument("arguments", metavar="[-- ARGS...]", nargs=-1, type=click.UNPROCESSED)
@click.option("--model", metavar="MODEL", help="Model to use [auto, else the first that fits].")
@click.option(
    "--key", envvar="TOKENWORKS_KEY", help="API key [TOKENWORKS_KEY]; models that run here need none."
)
@click.option("--print", "preview", is_flag=True, help="Show what would be set and started, and end.")
@click.option("--json", "as_json", is_flag=True, help="With --print: one JSON document.")
@click.option("--show-key", is_flag=True, help="With --print: the key as it is.")
@click.pass_context
def launch(
    context: click.Context,
    place: Place,
    agent: str,
    arguments: tuple[str, ...],
    model: str | None,
    key: str | None,
    preview: bool,
    as_json: bool,
    show_key: bool,
) -> None:
    """Start the coding agent AGENT (claude, codex, openclaw or opencode) against the running server.

    It gets its settings by environment, command line and a temporary folder. Nothing of your own
    configuration is changed. What follows -- is passed on to it, and its exit status is the command's.

    \b
    Examples:
      tokenworks launch claude
      tokenworks launch codex --model glm-5 -- exec "Explain this folder."
      tokenworks launch opencode --print
    """
    from tokenworks.cli.agents import process
    from tokenworks.cli.agents.offer import Offer, choose

    if (as_json or show_key) and not preview:
        raise click.UsageError("--json and --show-key go with --print")
    wanted = _agent(agent)
    settings = place.settings()
    url = _running(settings)
    local = [engine.model for engine in settings.engines.values()]
    with Offer(url, key or "", local) as offer:
        models = offer.models()
        chosen = offer.named(model, models) if model else choose(models)
    if all(each.id != chosen.id for each in models):  # a name that the server takes and does not list
        models = [chosen, *models]
    key = _key(key, settings, chosen)
    prepared = wanted.prepare(url, key, chosen, models)
    prepared.command.extend(arguments)
    if preview:
        shown = prepared if show_key else prepared.masked(key)
        if as_json:
            print_json(_document(wanted, url, chosen, shown))
        else:
            click.echo(_text(wanted, url, chosen, shown))
        return
    path = process.program(wanted)
    _announce(wanted, url, chosen)
    context.exit(process.run(path, prepared, os.environ, urlsplit(url).hostname or ""))


def _agent(name: str) -> Agent:
    """Raises ``ConfigError`` with the likest name for one that is not known."""
    import difflib

    from tokenworks.cli.agents import AGENTS
    from tokenworks.errors import ConfigError

    if name in AGENTS:
        return AGENTS[name]
    near = difflib.get_close_matches(name.lower(), AGENTS, n=1, cutoff=0.4)
    hint = f"did you mean '{near[0]}'? " if near else ""
    raise ConfigError(f"no agent '{name}'; {hint}There are: {', '.join(AGENTS)}")


def _running(settings: Settings) -> str:
    """The server's URL. Raises ``ConfigError`` where none runs, also where there is no home yet."""
    from tokenworks.errors import ConfigError

    if not settings.pepper:  # looking for a server would make a folder there
        raise ConfigError(
            f"no server runs on {settings.home}; start it with: tokenworks serve --home {settings.home}"
        )
    return server_url(settings.home)


def _key(given: str | None, settings: Settings, model: Model) -> str:
    """The key to use, "" where none is needed. Raises ``ConfigError`` where one is."""
    from tokenworks.errors import ConfigError

    if given:
        return given
    if settings.server.keyless and model.runs_here:
        return ""
    raise ConfigError(
        f"{model.id} needs a key: give --key or TOKENWORKS_KEY (tokenworks key create NAME makes one)"
    )


def _announce(agent: Agent, url: str, model: Model) -> None:
    """What was chosen, and what will go wrong with it, on stderr."""
    from tokenworks.cli.agents.offer import MIN_CONTEXT, fits

    click.secho(f"{agent.name} on {model.id} at {url}", err=True, dim=True)
    if not fits(model):
        lack = (
            "does not call tools"
            if model.tools is False
            else f"holds {model.context_length or 0:,} tokens, and agents need {MIN_CONTEXT:,} or more"
        )
        click.secho(f"{model.id} {lack}; --model MODEL takes another", err=True, fg="yellow")


def _document(agent: Agent, url: str, model: Model, prepared: Launch) -> dict[str, object]:
    return {
        "agent": agent.name,
        "server": url,
        "model": model.id,
        "command": prepared.command,
        "env": prepared.env,
        "unset": list(prepared.unset),
        "files": prepared.files,
    }


def _text(agent: Agent, url: str, model: Model, prepared: Launch) -> str:
    """The same for people: a line for each thing, then the files."""
    from tokenworks.cli.agents.agent import FOLDER

    lines = [
        f"agent    {agent.name}",
        f"server   {url}",
        f"model    {model.id}",
        *(f"env      {name}={_quoted(value)}" for name, value in prepared.env.items()),
        *(f"unset    {name}" for name in prepared.unset),
        f"command  {' '.join(_quoted(part) for part in prepared.command)}",
    ]
    for path, text in prepared.files.items():
        lines += [f"file     {FOLDER}/{path}", text]
    if any(FOLDER in line for line in lines):
        lines.append(f"{FOLDER} is a temporary folder, removed when the agent ends")
    return "\n".join(lines)


def _quoted(part: str) -> str:
    """As a shell would want it, but for the folder's name, which is to be seen."""
    from tokenworks.cli.agents.agent import FOLDER

    return part if part.startswith(FOLDER) else shlex.quote(part)

"""``tokenworks rankings``: who uses how much of what; what others told, imported; a report to share."""

from __future__ import annotations

import importlib
from pathlib import Path

import click
from click.core import ParameterSource

from tokenworks.cli.home import Place, placed

COMMANDS = ("forget", "import", "report", "sources")
_NAMES = {"import": "importing"}  # files whose name can't be the command's


class _Rankings(click.Group):
    """Loads a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = _NAMES.get(cmd_name, cmd_name)
        command = getattr(importlib.import_module(f"tokenworks.cli.rankings.{name}"), name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Rankings, invoke_without_command=True)
@placed
@click.option("--by", "view", metavar="VIEW", default="model", show_default=True, help="The view, see below.")
@click.option("--week", metavar="WEEK", help="2026-W08, or latest: the newest with anything in it [latest].")
@click.option("--day", metavar="DAY", help="Of a day: 2026-02-20, or latest.")
@click.option("--month", metavar="MONTH", help="Of a month: 2026-02, or latest.")
@click.option("--top", type=click.IntRange(1), default=20, show_default=True, help="Rows; all others: one.")
@click.option("--timezone", metavar="ZONE", help="Where it begins and ends [rankings.timezone].")
@click.option("--no-private", is_flag=True, help="Leave private traffic out.")
@click.option("--model", default="", help="Of this model only.")
@click.option("--author", default="", help="Of this author's models only.")
@click.option("--country", default="", metavar="CN", help="Of models of this country's authors only.")
@click.option("--weights", default="", metavar="open", help="Of open, closed or unknown weights only.")
@click.option("--provider", default="", help="Of this provider only.")
@click.option("--app", default="", help="Of this app only.")
@click.option("--key", default="", help="Of this key only.")
@click.option("--team", default="", help="Of this team only.")
@click.option("--user", default="", help="Of this user only.")
@click.option("--source", default="", metavar="NAME", help="What this outside source told.")
@click.option("--against", default="", metavar="NAME", help="Our own shares beside this source's.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option(
    "--export",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write FILE.csv or FILE.parquet instead.",
)
@click.pass_context
def rankings(context: click.Context, /, place: Place, **given: object) -> None:
    """Rank models, authors, countries, providers, apps and more by tokens, against the period before.

    Views: model, author, country, provider, weights, app, key, team, user, category, language, code, context,
    tools, finish, session, spend, savings, speed, energy.

    \b
    Examples:
      tokenworks rankings
      tokenworks rankings --by country --week 2026-W08 --json
      tokenworks rankings --by app --month latest --top 50 --export apps.csv
      tokenworks rankings import week.csv --source article
      tokenworks rankings --by model --against article
    """
    command = context.invoked_subcommand
    if command is not None:
        for name in context.params:
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                raise click.UsageError(f"write options of {command} after it: rankings {command} ...")
    else:
        module = importlib.import_module("tokenworks.cli.rankings.show")
        module.show(place, **given)

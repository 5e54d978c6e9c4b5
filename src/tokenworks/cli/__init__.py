"""The ``tokenworks`` command: one file per subcommand, imported when it is used."""

from __future__ import annotations

import errno
import importlib
from pathlib import Path
from typing import Any

import click

from tokenworks import __version__
from tokenworks.cli.home import Place, path_options
from tokenworks.errors import ConfigError, TokenworksError

COMMANDS = (
    *("init", "serve", "worker", "key", "team", "budget", "plan", "session", "fair-use", "audit"),
    *("provider", "model", "engine", "usage", "rankings", "chat", "launch", "batch", "route", "capture"),
    *("distill", "energy"),
)


class Failure(click.ClickException):
    """One red line on stderr, exit status 1."""

    def show(self, file: Any = None) -> None:
        click.secho(f"tokenworks: {self.message}", file=file, err=file is None, fg="red")


class ConfigFailure(Failure):
    """The configuration is at fault: exit status 2, like a wrong option."""

    exit_code = 2


class Commands(click.Group):
    """Subcommands by file name, and the one place where errors become lines and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command = getattr(importlib.import_module(f"tokenworks.cli.{name}"), name)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except TokenworksError as error:
            kind = ConfigFailure if isinstance(error, ConfigError) else Failure
            raise kind(error.message) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader has gone; click ends quietly
                raise
            where = f"{error.filename}: " if error.filename else ""
            raise Failure(f"{where}{error.strerror or error}") from error


@click.group("tokenworks", cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@path_options
@click.version_option(__version__, prog_name="tokenworks")
@click.pass_context
def main(context: click.Context, home: Path | None, file: Path | None) -> None:
    """One API in front of every large language model a team can reach.

    \b
    Examples:
      tokenworks model add smollm2      add a small model that runs here
      tokenworks serve                  start; prints the URL, a key and a curl line
      tokenworks usage --by model       what was used, and what it cost
    """
    context.obj = Place(home, file)

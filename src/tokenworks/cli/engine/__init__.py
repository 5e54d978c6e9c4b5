"""``tokenworks engine``: models that run here or on servers of one's own: added, watched, measured."""

from __future__ import annotations

import importlib

import click

COMMANDS = ("add", "list", "status", "bench", "check-kv")
MODULES = {"list": "listed"}  # a name that Python has taken


class _Engine(click.Group):
    """Loads a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = MODULES.get(cmd_name, cmd_name.replace("-", "_"))
        command = getattr(importlib.import_module(f"tokenworks.cli.engine.{name}"), name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Engine)
def engine() -> None:
    """Add servers of your own, see how engines are, measure and compare those of this machine."""

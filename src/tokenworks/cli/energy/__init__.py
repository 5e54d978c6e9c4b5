"""``tokenworks energy``: what a token costs physically, on which hardware, with which power."""

from __future__ import annotations

import importlib

import click

COMMANDS = {  # command → its module, whose command has the module's name
    "plan": "plan",
    "compare": "compare",
    "grid": "grid",
    "probe": "probe",
    "fit": "fit",
    "eval": "score",
}


class _Energy(click.Group):
    """Loads a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(f"tokenworks.cli.energy.{name}"), name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Energy)
def energy() -> None:
    """Plan, compare and measure what tokens cost: time, memory, watts, joules, dollars.

    \b
    Examples:
      tokenworks energy plan kimi-k2.5 --on H200 --devices 8
      tokenworks energy compare kimi-k2.5 gpt-oss-120b --on H200 --on B200 --region TX
      tokenworks energy grid
      tokenworks energy probe
    """

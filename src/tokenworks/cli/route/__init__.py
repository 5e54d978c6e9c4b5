"""``tokenworks route``: train the predictor, score it, ask it why, replay what was decided."""

from __future__ import annotations

import importlib

import click

COMMANDS = {"drift": "drift", "eval": "evaluate", "explain": "explain", "replay": "replay", "train": "train"}


class _Route(click.Group):
    """Loads a command when it is asked for: they need much that --help does not."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(f"tokenworks.cli.route.{cmd_name}"), COMMANDS[cmd_name])
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Route)
def route() -> None:
    """Train and score the predictor of smart routing, and see why it decided as it did."""

"""``tokenworks batch``: hand over a novel, a pile of reports, a thousand small jobs; and look after them."""

from __future__ import annotations

import importlib

import click

COMMANDS = {  # command → its module
    "run": "run",
    "list": "listing",
    "show": "show",
    "watch": "watch",
    "pause": "changes",
    "resume": "changes",
    "cancel": "changes",
    "retry": "changes",
    "results": "results",
}
_NAMES = {"list": "list_batches"}  # commands whose name can't be the function's


class _Batch(click.Group):
    """Loads a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"tokenworks.cli.batch.{COMMANDS[cmd_name]}")
        command = getattr(module, _NAMES.get(cmd_name, cmd_name))
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Batch)
def batch() -> None:
    """Run work in bulk on the server: translate, extract, generate, dialogue, map.

    \b
    Examples:
      tokenworks batch run translate book.epub --to de
      tokenworks batch list
      tokenworks batch watch batch_6f1c2a...
    """

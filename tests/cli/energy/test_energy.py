"""The group: its commands, each loaded when it is asked for."""

import subprocess
import sys

import click
from click.testing import CliRunner

from tokenworks.cli import main
from tokenworks.cli.energy import COMMANDS, energy


def test_every_command_is_there() -> None:
    context = click.Context(energy)
    assert energy.list_commands(context) == ["plan", "compare", "grid", "probe", "fit", "eval"]
    for name in COMMANDS:
        assert isinstance(energy.get_command(context, name), click.Command), name
    assert energy.get_command(context, "nonsense") is None


def test_help_loads_none_of_the_planner() -> None:
    script = (
        "import sys; from click.testing import CliRunner; from tokenworks.cli import main\n"
        "result = CliRunner().invoke(main, ['energy', '--help'])\n"
        "assert 'compare' in result.output and 'probe' in result.output, result.output\n"
        "print(*[name for name in ('numpy', 'msgspec', 'tokenworks.energy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_examples_are_real_commands() -> None:
    shown = CliRunner().invoke(main, ["energy", "--help"]).output
    for line in shown.splitlines():
        if line.strip().startswith("tokenworks energy "):
            assert line.split()[2] in COMMANDS

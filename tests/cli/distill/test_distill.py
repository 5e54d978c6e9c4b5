"""The group has its two commands, and asking for help imports nothing heavy."""

import subprocess
import sys

from click.testing import CliRunner

from tokenworks.cli.distill import distill


def test_both_commands_are_there() -> None:
    shown = CliRunner().invoke(distill, ["--help"]).stdout
    assert "export" in shown and "eval" in shown


def test_help_needs_no_numpy() -> None:
    program = (
        "import sys; import tokenworks.cli.distill; print('numpy' in sys.modules, 'httpx' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"

"""``tokenworks rankings`` as a group of commands, and its own options."""

import importlib.util
from collections.abc import Callable

import click
from click.testing import Result

from tokenworks.cli.rankings import COMMANDS, rankings
from tokenworks.rankings.views import VIEWS

Run = Callable[..., Result]


def test_help_lists_the_commands_and_every_view(run: Run) -> None:
    done = run("--help")
    listed = rankings.list_commands(click.Context(rankings))
    assert listed == sorted(COMMANDS) == ["forget", "import", "report", "sources"]
    assert all(name in done.output for name in (*COMMANDS, *VIEWS)) and "Examples:" in done.output
    assert importlib.util.find_spec("tokenworks.cli.rankings.show")


def test_another_command_is_refused(run: Run) -> None:
    done = run("fly")
    assert (done.exit_code, "No such command 'fly'" in done.output) == (2, True)


def test_options_before_a_subcommand_are_not_ignored(run: Run) -> None:
    for option in ("--no-private", "--by=app", "--home=/nowhere"):
        done = run(option, "sources")
        assert (done.exit_code, "write options of sources after it" in done.output) == (2, True), option

"""``tokenworks route``."""

import importlib

import click
from click.testing import CliRunner

from tokenworks.cli.route import COMMANDS, route


def test_help_lists_the_commands_without_loading_them() -> None:
    listed = route.list_commands(click.Context(route))
    assert listed == sorted(COMMANDS) and {"eval", "train"} <= set(listed)


def test_eval_and_train_are_commands_with_help() -> None:
    for name in ("eval", "train"):
        assert importlib.util.find_spec(f"tokenworks.cli.route.{name}")
        done = CliRunner().invoke(route, [name, "--help"])
        assert done.exit_code == 0 and "Examples:" in done.output
    assert CliRunner().invoke(route, ["fly"]).exit_code == 2

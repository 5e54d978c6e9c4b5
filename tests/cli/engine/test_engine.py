"""The group, as far as it needs no engine."""

from click.testing import CliRunner

from tokenworks.cli import main


def test_help_names_the_commands() -> None:
    got = CliRunner().invoke(main, ["engine", "--help"])
    assert got.exit_code == 0
    for command in ("add", "list", "status", "bench", "check-kv"):
        assert command in got.output


def test_an_unknown_command() -> None:
    got = CliRunner().invoke(main, ["engine", "race"])
    assert got.exit_code == 2 and "No such command 'race'" in got.output

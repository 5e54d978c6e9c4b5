"""The group: every command is found in its module."""

from click import Context, Group

from tokenworks.cli.batch import COMMANDS, batch


def test_each_command_is_loaded_by_its_name() -> None:
    assert isinstance(batch, Group)
    context = Context(batch)
    names = {name: batch.get_command(context, name) for name in batch.list_commands(context)}
    assert {name: command.name for name, command in names.items() if command} == {n: n for n in COMMANDS}
    assert batch.get_command(context, "nothing") is None

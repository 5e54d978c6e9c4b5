"""The command as a whole: quick help, examples everywhere, errors as one line with the right status."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tokenworks import __version__
from tokenworks.cli import COMMANDS, main


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "tokenworks", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


HEAVY = ("rich", "msgspec", "httpx", "fastapi", "uvloop", "sqlite3", "asyncio", "genai_prices")


def test_help_imports_nothing_heavy() -> None:
    """Start-up is imports: what keeps --help under 150 ms is that none of these are loaded."""
    script = (
        "import sys; from click.testing import CliRunner; loaded = set(sys.modules)\n"
        "from tokenworks.cli import main\n"
        "result = CliRunner().invoke(main, ['--help']); assert result.exit_code == 0, result.output\n"
        f"print(*[name for name in {HEAVY} if name in set(sys.modules) - loaded])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("", "")


def commands(group: click.Group, name: str = "") -> dict[str, click.Command]:
    """Every command that does something, by its full name."""
    found: dict[str, click.Command] = {}
    context = click.Context(group)
    for each in group.list_commands(context):
        command = group.get_command(context, each)
        assert command is not None
        full = f"{name} {each}".strip()
        found |= commands(command, full) if isinstance(command, click.Group) else {full: command}
    return found


ALL = [
    *("init", "serve", "worker", "usage", "chat", "launch", "audit", "model add", "model list"),
    *(
        f"key {name}"
        for name in ("create", "list", "show", "update", "rotate", "revoke", "disable", "enable")
    ),
    *(f"team {name}" for name in ("create", "list", "update", "remove", "add-key", "remove-key")),
    *(f"budget {name}" for name in ("add", "list", "set", "remove", "refund", "leases", "release")),
    *(f"plan {name}" for name in ("create", "list", "show", "assign", "unassign", "remove", "wallet")),
    *(f"rankings {name}" for name in ("forget", "import", "report", "sources")),
    *("plan simulate", "session stop", "session resume", "session list"),
    *("fair-use list", "fair-use lift", "fair-use act"),
    *("provider list", "provider key list", "provider key add", "provider key remove"),
    *("provider key disable", "provider key enable", "provider key rotate"),
    *(f"route {name}" for name in ("drift", "eval", "explain", "replay", "train")),
    *(
        f"batch {name}"
        for name in ("run", "list", "show", "watch", "pause", "resume", "cancel", "retry", "results")
    ),
    *("capture list", "capture forget", "distill eval", "distill export"),
    *("engine add", "engine bench", "engine check-kv", "engine list", "engine status"),
    *(f"energy {name}" for name in ("plan", "compare", "grid", "probe", "fit", "eval")),
]

# They read and write what they are given, and nothing else.
HOMELESS = ("route eval", "route train", "energy fit", "energy eval")


def test_the_commands_are_these() -> None:
    assert set(ALL) == set(commands(main))
    assert [name for name in COMMANDS if name not in CliRunner().invoke(main, ["--help"]).output] == []


@pytest.mark.parametrize("name", ALL)
def test_every_command_shows_an_example_and_takes_home(name: str) -> None:
    shown = CliRunner().invoke(main, [*name.split(), "--help"]).output
    assert f"tokenworks {name}" in shown.split("Options:")[0].split("\n", 1)[1]
    assert name in HOMELESS or ("--home" in shown and "--config" in shown)


def test_version() -> None:
    assert run("--version").stdout == f"tokenworks, version {__version__}\n"


def test_a_config_mistake_is_one_line_and_status_2(tmp_path: Path) -> None:
    (tmp_path / "tokenworks.toml").write_text("[server]\nprot = 1\n")
    for line in (
        ("--home", str(tmp_path), "serve"),
        ("key", "list", "--home", str(tmp_path)),
        ("init", "--home", str(tmp_path)),
    ):
        done = run(*line)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            f'tokenworks: {tmp_path}/tokenworks.toml:2: server: unknown key "prot"; did you mean "port"?\n'
        )


def test_a_wrong_option_is_status_2() -> None:
    done = run("serve", "--port", "99999")
    assert done.returncode == 2
    assert "99999 is not in the range 0<=x<=65535" in done.stderr
    assert run("nonsense").returncode == 2


def test_a_home_that_can_not_be_made_is_one_line_and_status_1(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("init", "--home", str(tmp_path / "file" / "home"))
    assert done.returncode == 1
    assert done.stderr == f"tokenworks: {tmp_path}/file/home: Not a directory\n"


def test_a_reader_that_leaves_is_no_traceback(tmp_path: Path) -> None:
    assert run("init", "--home", str(tmp_path)).returncode == 0
    piped = f"{sys.executable} -m tokenworks key list --home {tmp_path} | true"
    done = subprocess.run(["sh", "-c", piped], capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr

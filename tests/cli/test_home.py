"""Which home a command works on, and whether a server runs there."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tokenworks.cli.home import Place, no_server, path_options, placed, server_url
from tokenworks.errors import ConfigError


@click.group()
@path_options
@click.pass_context
def group(context: click.Context, home: Path | None, file: Path | None) -> None:
    context.obj = Place(home, file)


@group.command()
@placed
@click.option("--loud", is_flag=True)
def where(place: Place, loud: bool) -> None:
    click.echo(f"{place.home} {place.file} {loud}")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("where", "None None False"),
        ("--home a where", "a None False"),
        ("where --home b --loud", "b None True"),
        ("--home a --config x where --home b", "b x False"),
        ("--config x where --config y", "None y False"),
    ],
)
def test_options_before_and_after_the_name(line: str, said: str) -> None:
    assert CliRunner().invoke(group, line.split()).output == said + "\n"


def test_home_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TOKENWORKS_HOME", str(tmp_path))
    assert Place().folder == tmp_path
    assert Place(Path("/other")).folder == Path("/other")


def test_a_folder_that_is_no_home_says_how_to_make_it_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"is no home yet; run: tokenworks init --home {tmp_path}"):
        Place(tmp_path).existing()


HOLD = """
import fcntl, sys
held = open(sys.argv[1], "a")
fcntl.flock(held, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_server_is_known_by_its_lock_and_a_killed_one_is_none(tmp_path: Path) -> None:
    with no_server(tmp_path) as idle:
        assert idle
    state = tmp_path / "run" / "server.json"
    state.write_text(json.dumps({"url": "http://127.0.0.1:1234", "pid": 1, "workers": []}))
    with pytest.raises(ConfigError, match=f"no server runs on {tmp_path}; start it with"):
        server_url(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run" / "serve.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"held\n"
        with no_server(tmp_path) as idle:
            assert not idle
        assert server_url(tmp_path) == "http://127.0.0.1:1234"
        state.unlink()
        with pytest.raises(ConfigError, match="still starting"):
            server_url(tmp_path)
        server.kill()
    with no_server(tmp_path) as idle:
        assert idle

"""Keys of providers kept, listed, rotated and removed from the command line."""

import fcntl
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.fernet import Fernet

from tokenworks.cli import main
from tokenworks.config.load import load
from tokenworks.config.settings import ProviderKey
from tokenworks.ledger.store import open_store
from tokenworks.providers import vault

ACME = """\
[providers.acme]
wire = "openai_chat"
base_url = "https://acme.example/v1"
[[providers.acme.models]]
id = "acme/fast"
"""
SECRET = "sk-live-0123456789abcdef"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    (home / "tokenworks.toml").write_text(ACME)
    return home


def invoke(home: Path, *arguments: str, given: str | None = None, **env: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), "provider", *arguments], input=given, env=env)


def add(home: Path, *arguments: str, secret: str = SECRET, **env: str) -> str:
    """Keep a key and return its id."""
    result = invoke(home, "key", "add", *arguments, "--stdin", "--json", given=secret, **env)
    assert result.exit_code == 0, result.output
    return str(json.loads(result.stdout)["id"])


def kept(home: Path, env: dict[str, str] | None = None) -> dict[str, tuple[ProviderKey, ...]]:
    """The keys that a server on ``home`` would use."""
    settings = load(home, env={}, require_secrets=False)
    store = open_store(settings.store_url)
    try:
        return vault.keys(store, settings, env or {})
    finally:
        store.close()


def test_kept_listed_removed(home: Path) -> None:
    key_id = add(home, "acme", "team-a", "--weight", "2.5", secret=f"  {SECRET}\n")
    assert kept(home) == {"acme": (ProviderKey("team-a", SECRET, 2.5),)}
    (listed,) = json.loads(invoke(home, "key", "list", "--json").stdout)["keys"]
    assert listed.pop("created").startswith("20")
    assert listed == {
        "id": key_id,
        "provider": "acme",
        "name": "team-a",
        "weight": 2.5,
        "hint": "sk-…cdef",
        "disabled": False,
    }
    shown = invoke(home, "key", "list").output
    assert key_id in shown
    assert SECRET not in shown
    assert invoke(home, "key", "remove", key_id).stdout == f"removed {key_id}\n"
    assert kept(home) == {}
    assert invoke(home, "key", "list").stdout.startswith("no keys in the vault")


def test_an_environment_variable_is_read_by_its_name(home: Path) -> None:
    assert invoke(home, "key", "add", "acme", "a", "--env", "ACME_X", ACME_X=f" {SECRET} ").exit_code == 0
    assert kept(home)["acme"][0].secret == SECRET
    result = invoke(home, "key", "add", "acme", "b", "--env", "ACME_Y")
    assert result.exit_code == 2
    assert "environment variable ACME_Y is not set" in result.stderr
    result = invoke(home, "key", "add", "acme", "b", "--env", "ACME_X", ACME_X="hunter 2")
    assert result.exit_code == 2
    assert "environment variable ACME_X must be printable ASCII" in result.stderr
    assert "hunter" not in result.output


def test_at_a_terminal_the_key_is_asked_for_and_not_shown(home: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "tokenworks", "provider", "key", "add", "acme", "a", "--home", str(home)]
    env = {name: value for name, value in os.environ.items() if name != "TOKENWORKS_VAULT_KEY"}
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True
    ) as running:
        os.close(theirs)
        said = b""
        while b"Key: " not in said:
            said += os.read(ours, 4096)
        os.write(ours, SECRET.encode() + b"\n")
        try:
            while chunk := os.read(ours, 4096):
                said += chunk
        except OSError:  # the other end is closed
            pass
        assert running.wait(30) == 0, said
    os.close(ours)
    assert SECRET.encode() not in said
    assert b"(sk-\xe2\x80\xa6cdef) of acme" in said
    assert kept(home)["acme"][0].secret == SECRET


def test_without_terminal_or_option_it_says_what_to_use(home: Path) -> None:
    result = invoke(home, "key", "add", "acme", "a", given=SECRET)
    assert result.exit_code == 2
    assert "use --stdin or --env VAR" in result.stderr
    result = invoke(home, "key", "add", "acme", "a", "--stdin", "--env", "X", given=SECRET)
    assert result.exit_code == 2
    assert "keep one" in result.stderr
    assert kept(home) == {}


@pytest.mark.parametrize("secret", ["", " \n", "two words", "line\nbreak", "é", "x" * 9000])
def test_what_is_no_key_is_refused_and_not_shown(home: Path, secret: str) -> None:
    result = invoke(home, "key", "add", "acme", "a", "--stdin", given=secret)
    assert result.exit_code == 2
    assert "the key " in result.stderr
    assert not secret.strip() or secret not in result.output
    assert kept(home) == {}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("acmee", "a"), 'unknown provider "acmee"; did you mean "acme"?'),
        (("acme", "a b"), "must be 1 to 64 letters"),
        (("acme", "default"), '"default" is the key in the configuration or the environment'),
        (("acme", "a", "--weight", "0"), "must be from 0.001 to 1000"),
        (("acme", "a", "--weight", "nan"), "must be from 0.001 to 1000"),
    ],
)
def test_wrong_arguments_make_nothing(
    home: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    result = invoke(home, "key", "add", *arguments, "--stdin", given=SECRET)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
    assert list(home.iterdir()) == [home / "tokenworks.toml"]


def test_a_name_that_is_taken(home: Path) -> None:
    add(home, "acme", "a")
    add(home, "groq", "a")
    result = invoke(home, "key", "add", "acme", "a", "--stdin", given="sk-2")
    assert result.exit_code == 1
    assert "acme has a key called a already" in result.stderr
    (home / "tokenworks.toml").write_text(ACME + "[[providers.acme.keys]]\nname = 'team'\napi_key = 'sk-3'\n")
    result = invoke(home, "key", "add", "acme", "team", "--stdin", given="sk-2")
    assert result.exit_code == 1
    assert kept(home)["acme"] == (ProviderKey("a", SECRET),)


def test_disabled_and_enabled_again(home: Path) -> None:
    key_id = add(home, "acme", "a")
    assert invoke(home, "key", "disable", key_id).stdout == f"disabled {key_id}\n"
    assert kept(home) == {}
    assert json.loads(invoke(home, "key", "list", "--json").stdout)["keys"][0]["disabled"] is True
    assert invoke(home, "key", "enable", key_id).stdout == f"enabled {key_id}\n"
    assert set(kept(home)) == {"acme"}
    for command in ("enable", "disable", "remove"):
        result = invoke(home, "key", command, "pk_nope")
        assert result.exit_code == 1
        assert "no key in the vault has the id pk_nope" in result.stderr


def test_rotated_the_old_master_key_may_go(home: Path) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    add(home, "acme", "a", TOKENWORKS_VAULT_KEY=old)
    add(home, "acme", "b", TOKENWORKS_VAULT_KEY=old)
    result = invoke(home, "key", "rotate", TOKENWORKS_VAULT_KEY=f"{new},{old}")
    assert result.stdout == "encrypted 2 keys under the first master key\n"
    assert len(kept(home, {"TOKENWORKS_VAULT_KEY": new})["acme"]) == 2
    result = invoke(home, "key", "rotate", TOKENWORKS_VAULT_KEY=old)
    assert result.exit_code == 2
    assert "can't be read; restore the master key" in result.stderr
    assert len(kept(home, {"TOKENWORKS_VAULT_KEY": new})["acme"]) == 2


def test_active_providers_with_their_wires_and_keys(home: Path) -> None:
    with (home / "tokenworks.toml").open("a") as file:
        file.write("[providers.vllm]\n")
    prepared = CliRunner().invoke(main, ["--home", str(home), "init"])
    assert prepared.exit_code == 0, prepared.output
    listed = json.loads(invoke(home, "list", "--json").stdout)["providers"]
    assert [each["name"] for each in listed] == ["vllm"]
    add(home, "acme", "a")
    add(home, "groq", "a")
    listed = {
        each["name"]: each
        for each in json.loads(invoke(home, "list", "--json", GROQ_API_KEY="gsk").stdout)["providers"]
    }
    assert {name: each["keys"] for name, each in listed.items()} == {"vllm": 0, "acme": 1, "groq": 2}
    assert listed["acme"] == {
        "name": "acme",
        "title": "acme",
        "wires": ["openai_chat"],
        "base_url": "https://acme.example/v1",
        "country": "",
        "keys": 1,
    }
    shown = invoke(home, "list").stdout
    assert "openai_chat" in shown
    assert SECRET not in shown


def test_a_running_server_is_to_be_restarted(home: Path) -> None:
    key_id = add(home, "acme", "a")
    lock = home / "run" / "serve.lock"
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for arguments in (("disable", key_id), ("enable", key_id), ("remove", key_id)):
            assert "restart it to see the change" in invoke(home, "key", *arguments).stderr
        result = invoke(home, "key", "add", "acme", "b", "--stdin", given=SECRET)
        assert "restart it to see the change" in result.stderr
    assert invoke(home, "key", "add", "acme", "c", "--stdin", given=SECRET).stderr == ""


def test_listing_makes_no_home(tmp_path: Path) -> None:
    for command in (("list",), ("key", "list"), ("key", "rotate"), ("key", "remove", "pk_1")):
        result = invoke(tmp_path / "none", *command)
        assert result.exit_code == 2
        assert "is no home yet; run: tokenworks init" in result.stderr
    assert not (tmp_path / "none").exists()

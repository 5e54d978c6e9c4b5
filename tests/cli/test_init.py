"""A home folder is made whole, once, whoever else makes it at the same time."""

import json
import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from tokenworks.cli import main
from tokenworks.cli.home import Place
from tokenworks.cli.init import TEMPLATE, prepare
from tokenworks.config.load import load
from tokenworks.config.settings import EngineSettings, LedgerSettings, ServerSettings
from tokenworks.errors import ConfigError
from tokenworks.ledger.store import open_store
from tokenworks.plans.keys import KeyBook


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_home(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"
    made = json.loads(invoke("init", "--home", str(home), "--json"))
    assert (made["home"], made["config"]) == (str(home), str(home / "tokenworks.toml"))
    assert mode(home) == 0o700
    assert {mode(home / name) for name in ("pepper", "tokenworks.toml")} == {0o600}
    assert len((home / "pepper").read_bytes()) == 32
    assert sorted(path.name for path in home.iterdir() if "tokenworks.db" not in path.name) == [
        "pepper",
        "tokenworks.toml",
    ]


def test_the_first_key_works_and_is_an_admins(tmp_path: Path) -> None:
    made = json.loads(invoke("init", "--home", str(tmp_path), "--json"))
    store = open_store(f"sqlite:///{tmp_path}/tokenworks.db")
    key = KeyBook(store, (tmp_path / "pepper").read_bytes()).check(made["key"]["key"].encode())
    store.close()
    assert key is not None
    assert (key.id, key.role) == (made["key"]["id"], "admin")


def test_a_second_time_changes_nothing_and_shows_no_key(tmp_path: Path) -> None:
    invoke("init", "--home", str(tmp_path))
    (tmp_path / "tokenworks.toml").write_text("[server]\nport = 9\n")
    pepper = (tmp_path / "pepper").read_bytes()
    made = json.loads(invoke("init", "--home", str(tmp_path), "--json"))
    assert made["key"] is None
    assert (tmp_path / "tokenworks.toml").read_text() == "[server]\nport = 9\n"
    assert (tmp_path / "pepper").read_bytes() == pepper
    assert "made before" in invoke("init", "--home", str(tmp_path))


def test_a_revoked_first_key_is_not_replaced_behind_the_admins_back(tmp_path: Path) -> None:
    made = json.loads(invoke("init", "--home", str(tmp_path), "--json"))
    invoke("key", "revoke", made["key"]["id"], "--home", str(tmp_path))
    assert json.loads(invoke("init", "--home", str(tmp_path), "--json"))["key"] is None


def test_eight_at_once_make_one_home_and_one_key(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tokenworks", "init", "--json", "--home", str(tmp_path / "home")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    outputs = [process.communicate(timeout=60)[0] for process in started]
    assert [process.returncode for process in started] == [0] * 8
    keys = [key for output in outputs if (key := json.loads(output)["key"]) is not None]
    assert len(keys) == 1
    assert not list((tmp_path / "home").glob(".*"))  # no half-written files are left


def test_home_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKENWORKS_HOME", str(tmp_path / "named"))
    invoke("init")
    assert (tmp_path / "named" / "pepper").exists()


def test_a_named_config_is_used_and_none_is_written(tmp_path: Path) -> None:
    config = tmp_path / "own.toml"
    config.write_text("[server]\nport = 9\n")
    home = tmp_path / "home"
    made = json.loads(invoke("init", "--home", str(home), "--config", str(config), "--json"))
    assert made["config"] == str(config)
    assert not (home / "tokenworks.toml").exists()


def test_a_folder_in_use_keeps_its_mode(tmp_path: Path) -> None:
    home = tmp_path / "shared"
    home.mkdir(mode=0o755)
    (home / "file").write_text("")
    invoke("init", "--home", str(home))
    assert mode(home) == 0o755
    empty = tmp_path / "empty"
    empty.mkdir(mode=0o755)
    invoke("init", "--home", str(empty))
    assert mode(empty) == 0o700


def test_a_lost_pepper_is_never_replaced_under_existing_keys(tmp_path: Path) -> None:
    invoke("init", "--home", str(tmp_path))
    (tmp_path / "pepper").unlink()
    with pytest.raises(ConfigError, match="is gone, and without it no key can be checked; restore it"):
        prepare(Place(tmp_path))
    assert not (tmp_path / "pepper").exists()


def test_what_the_written_config_shows_can_be_uncommented_and_is_the_default(tmp_path: Path) -> None:
    assert tomllib.loads(TEMPLATE) == {"server": {}, "ledger": {}}
    text = re.sub(r"^# (?=\[|\w+ = )", "", TEMPLATE, flags=re.MULTILINE)
    (tmp_path / "tokenworks.toml").write_text(text)
    (tmp_path / "engines").mkdir()
    (tmp_path / "engines" / "smollm2.toml").write_text('model = "m"\npath = "p"\n')
    settings = load(tmp_path, env={"ACME_API_KEY": "k"})
    assert settings.providers["acme"].models[0].id == "acme/fast"
    assert (settings.server, settings.ledger) == (ServerSettings(), LedgerSettings())
    assert settings.engines["smollm2"] == EngineSettings("m", str(tmp_path / "p"))
    shown = tomllib.loads(text)
    assert [len(shown[table]) for table in ("server", "ledger")] == [4, 2]
    assert len(shown["engines"]["smollm2"]) == 3

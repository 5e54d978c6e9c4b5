import json
import shutil
import sys
import tomllib
from pathlib import Path

import pytest

import peers as peers_module
from peers import (
    Absent,
    LiteLLM,
    Nginx,
    Place,
    Portkey,
    Tokenworks,
    VllmRouter,
    last_line,
    npm_install,
    peers,
)

MODELS = ["answer", "stream-100-pace-20"]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, port=7001, stream_port=7002, spare_port=7003, upstream=7004, models=MODELS)


def command(tmp_path: Path, script: str) -> list[str]:
    path = tmp_path / "command.py"
    path.write_text(script)
    return [sys.executable, str(path)]


def test_tokenworks_gets_a_home_with_every_model_and_a_key(place: Place) -> None:
    script = 'import sys\nassert sys.argv[1] == \'--home\', sys.argv\nprint(\'{"id": "1", "key": "sk-1"}\')\n'
    launch = Tokenworks(command(place.folder, script)).launch(place)
    config = tomllib.loads((place.folder / "tokenworks.toml").read_text())["providers"]["acme"]
    assert config["base_url"] == "http://127.0.0.1:7004/v1"
    assert [(row["id"], row["upstream_id"]) for row in config["models"]] == [
        (f"acme/{name}", name) for name in MODELS
    ]
    assert (launch.key, launch.model_prefix, launch.ready_path) == ("sk-1", "acme/", "/healthz")
    assert launch.argv[2:] == ["serve", "--home", str(place.folder), "--port", "7001", "--workers", "1"]


def test_a_command_that_fails_is_absent_with_its_last_words(place: Place) -> None:
    failing = command(place.folder, "raise SystemExit('first\\nkeys are out of stock\\n')")
    with pytest.raises(Absent, match="keys are out of stock"):
        Tokenworks(failing).launch(place)
    with pytest.raises(Absent, match="not found"):
        Tokenworks(["/nowhere/tokenworks"]).prepare()


def test_peers_that_are_not_installed_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_args, **_more: None)
    with pytest.raises(Absent, match="nginx is not installed"):
        Nginx().prepare()
    with pytest.raises(Absent, match="node and npm"):
        Portkey().prepare()


def test_nginx_buffers_answers_and_not_streams(place: Place) -> None:
    peer = Nginx()
    peer.program = "nginx"
    launch = peer.launch(place)
    answers, streams = (place.folder / "nginx.conf").read_text().split("listen 127.0.0.1:")[1:]
    assert answers.startswith("7001") and "proxy_buffering on" in answers
    assert streams.startswith("7002") and "proxy_buffering off" in streams
    assert (launch.port, launch.stream_port) == (7001, 7002)


def test_litellm_knows_every_model_and_its_key(place: Place) -> None:
    peer = LiteLLM()
    peer.bin = place.folder
    launch = peer.launch(place)
    config = json.loads((place.folder / "config.yaml").read_text())
    assert [row["model_name"] for row in config["model_list"]] == MODELS
    assert config["general_settings"]["master_key"] == launch.key


def test_every_peer_is_pinned_and_listens_on_loopback(place: Place) -> None:
    assert "==" in LiteLLM.requirement and "==" in VllmRouter.requirement
    router = VllmRouter()
    router.bin = place.folder
    argv = router.launch(place).argv
    assert argv.count("127.0.0.1") == 2  # its port and its metrics
    assert list(peers()) == [
        "direct",
        "nginx",
        "bare",
        "tokenworks",
        "tokenworks-limited",
        "vllm-router",
        "portkey",
        "litellm",
    ]


def fake_npm(folder: Path, script: str) -> None:
    for name, text in (("npm", script), ("node", "exit 0")):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)


def test_npm_installs_once_for_the_same_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers_module, "WORK", tmp_path / ".work")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    fake_npm(tmp_path, f"echo run >> {tmp_path}/runs")
    node, folder = npm_install("one", {"a": "1.0.0"}, {})
    assert (node, folder) == (str(tmp_path / "node"), tmp_path / ".work" / "peers" / "one")
    assert json.loads((folder / "package.json").read_text())["dependencies"] == {"a": "1.0.0"}
    npm_install("one", {"a": "1.0.0"}, {})
    assert (tmp_path / "runs").read_text() == "run\n"
    npm_install("one", {"a": "1.0.1"}, {})
    assert (tmp_path / "runs").read_text() == "run\n" * 2


def test_npm_that_fails_is_absent_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers_module, "WORK", tmp_path / ".work")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    fake_npm(tmp_path, "echo E404 not there >&2; exit 1")
    for _ in range(2):
        with pytest.raises(Absent, match="could not install one: E404 not there"):
            npm_install("one", {"a": "1.0.0"}, {})


def test_last_line_is_the_last_that_says_something() -> None:
    assert last_line("a\nERROR: no\n\n") == "ERROR: no"
    assert last_line("") == "no output"

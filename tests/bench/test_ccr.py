import json
import shutil
from pathlib import Path

import pytest

from ccr import ClaudeCodeRouter
from peers import Absent, Launch, Place

MODELS = ["answer", "stream-100-pace-20"]


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    peer = ClaudeCodeRouter()
    peer.node, peer.folder = "node", tmp_path / "installed"
    return peer.launch(Place(tmp_path, 7001, 7002, 7003, upstream=7004, models=MODELS))


def test_its_home_is_the_instance_s_own_and_it_listens_on_loopback(launch: Launch, tmp_path: Path) -> None:
    assert launch.env["HOME"] == launch.env["TMPDIR"] == str(tmp_path)
    config = json.loads((tmp_path / ".claude-code-router" / "config.json").read_text())
    assert (config["HOST"], config["PORT"], config["LOG"]) == ("127.0.0.1", 7001, False)
    assert config["APIKEY"] == launch.key != ""


def test_its_one_provider_speaks_chat_and_knows_every_model(launch: Launch, tmp_path: Path) -> None:
    config = json.loads((tmp_path / ".claude-code-router" / "config.json").read_text())
    (provider,) = config["Providers"]
    assert provider["api_base_url"] == "http://127.0.0.1:7004/v1/chat/completions"
    assert (provider["models"], launch.model_prefix) == (MODELS, f"{provider['name']},")
    assert config["Router"]["default"] == f"{provider['name']},answer"


def test_its_version_is_pinned_and_without_node_it_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(version[0].isdigit() for version in ClaudeCodeRouter.packages.values())
    monkeypatch.setattr(shutil, "which", lambda *_args, **_more: None)
    with pytest.raises(Absent, match="node and npm"):
        ClaudeCodeRouter().prepare()

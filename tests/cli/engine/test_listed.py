"""The list of engines."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from tokenworks.cli import main

CONFIG = """
[engines.small]
model = "me/small"
path = "/srv/small.gguf"
[engines.big]
runtime = "openai_server"
model = "acme/big"
url = "http://10.0.0.5:8000"
served_as = "Acme/Big"
kind = "sglang"
"""


def test_models_here_and_servers_stand_together(tmp_path: Path) -> None:
    command = ["--home", str(tmp_path), "engine", "list"]
    assert "tokenworks engine add NAME --url URL" in CliRunner().invoke(main, command).stdout
    (tmp_path / "tokenworks.toml").write_text(CONFIG)
    text = CliRunner().invoke(main, command).stdout
    big, small = text.splitlines()[1:]
    assert big.split() == ["big", "acme/big", "SGLang", "http://10.0.0.5:8000"]
    assert small.split() == ["small", "me/small", "here", "8,192", "4", "/srv/small.gguf"]
    told = json.loads(CliRunner().invoke(main, [*command, "--json"]).stdout)["engines"]
    assert [(each["engine"], each["kind"], each["slots"]) for each in told] == [
        ("big", "sglang", None),
        ("small", "llama_cpp", 4),
    ]
    assert told[0]["context_length"] is None and told[0]["served_as"] == "Acme/Big"

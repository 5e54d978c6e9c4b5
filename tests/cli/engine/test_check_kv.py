"""``tokenworks engine check-kv``: its table, its JSON, and wrong options. The check itself is scripted here;
tests/engines/test_kv_check.py drives the real one."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from gguf_files import MINIMAL, gguf

from tokenworks.cli import main
from tokenworks.engines import kv_check
from tokenworks.engines.divergence import Divergence
from tokenworks.engines.kv_check import Report, Row


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    file = tmp_path / "tiny.gguf"
    file.write_bytes(gguf(MINIMAL, {"a": (64, 10)}))
    return file


def invoke(tmp_path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(tmp_path / "home"), "engine", "check-kv", *arguments])


def report() -> Report:
    same = Divergence(24, 500, 0.0, 0.0, 0.0, 1.0, 1.0, None)
    off = Divergence(24, 500, 0.0321, 0.5, 0.0045, 0.98, 0.75, 7.5)
    rows = (
        Row("f16", 180.0, 180.0, 0.0, same, {"code": 0.0}, "no noise."),
        Row("q8_0", 95.6, 120.0, 0.469, off, {"code": 0.0012}, "q8_0 saves 47% of the cache."),
    )
    return Report("local/tiny", 4, 2048, 24, 20, rows)


def test_table_and_json(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def check(
        name: str, engine: Any, head: Any, prompts: Any, types: Any, progress: Any, **more: Any
    ) -> Report:
        progress("f16", 0, 1)
        asked.update(name=name, engine=engine, prompts=len(prompts), types=types, **more)
        return report()

    monkeypatch.setattr(kv_check, "check", check)
    got = invoke(tmp_path, "--path", str(tiny), "--types", "q8_0,q8_0", "--tokens", "9", "--threads", "1")
    assert got.exit_code == 0, got.output
    assert (asked["prompts"], asked["types"], asked["answer_tokens"]) == (24, ["q8_0"], 9)
    assert asked["engine"].threads == 1
    for part in ("f16, again", "95.6", "47%", "0.0321", "98.0%", "18 of 24", "7.5", "0.00120"):
        assert part in got.stdout, part
    assert "q8_0 saves 47% of the cache." in got.stdout
    assert "q8_0: the model's header lets expect 120.0 MiB" in got.stdout
    got = invoke(tmp_path, "--path", str(tiny), "--json")
    assert json.loads(got.stdout) == json.loads(msgspec.json.encode(report()))


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--types", "q8_0,q5_1"], 2, '"q5_1" is not one of q8_0, q4_0'),
        (["--types", ""], 2, "is not one of"),
        (["--tokens", "0"], 2, "--tokens"),
        (["--prompts", "nowhere.jsonl"], 2, "nowhere.jsonl: can't be read"),
        (["--threads", "-3"], 2, "threads must be from 0"),
        (["--context", "8193"], 2, "model was trained on"),
        (["other"], 2, "not both"),
    ],
)
def test_wrong_options(tmp_path: Path, tiny: Path, arguments: list[str], status: int, says: str) -> None:
    got = invoke(tmp_path, "--path", str(tiny), *arguments)
    assert got.exit_code == status
    assert says in got.stderr


def test_without_any_engine(tmp_path: Path) -> None:
    got = invoke(tmp_path)
    assert got.exit_code == 2 and "tokenworks model add smollm2" in got.stderr
    assert not (tmp_path / "home").exists()

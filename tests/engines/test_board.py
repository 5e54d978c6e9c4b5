"""The file in which commands find what the server knows of its engines."""

from __future__ import annotations

from pathlib import Path

from tokenworks.engines.board import Board
from tokenworks.engines.load import Load
from tokenworks.engines.state import EngineState


def test_states_stand_there_without_keys(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    board, file = Board(tmp_path), tmp_path / "run" / "engines.json"
    assert board.read() == {}
    board.write([], 1)
    assert not file.exists()
    state = EngineState("a", "ready", 81, "hunter2", load=Load(3))
    board.write([state], 2)
    assert "hunter2" not in file.read_text()
    found = Board(tmp_path).read()["a"]
    assert (found.state, found.port, found.api_key, found.load) == ("ready", 81, "", Load(3))
    file.unlink()
    board.write([state], 3)
    assert not file.exists(), "nothing is new"
    board.write([EngineState("a", "failed")], 4)
    assert board.read()["a"].state == "failed"
    file.write_text('{"at_us": "x"}')
    assert board.read() == {}
    board.clear()
    board.clear()
    assert not file.exists()

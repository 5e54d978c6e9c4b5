"""``tokenworks engine bench``: its tables and its JSON. What is measured: tests/engines/test_speed.py."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from gguf_files import MINIMAL, gguf

from tokenworks.cli import main
from tokenworks.engines import speed
from tokenworks.engines.speed import Measured, MemoryRow, ParallelRow, PromptRow, SpeculationRow

MEASURED = Measured(
    (MemoryRow("f16", 180.0, 351.5, 343.2), MemoryRow("q4_0", 50.6, 220.0, 208.1)),
    (ParallelRow(1, 40.1, 41.2), ParallelRow(4, 80.5, 20.2)),
    (SpeculationRow("repetitive", 35.4, 80.2, 106, 106, True),),
    PromptRow(700, 9192.0, 57.2, 690),
    99.6,
)


def test_tables_and_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def measure(name: str, engine: Any, progress: Any, *, rounds: int) -> Measured:
        progress("memory", 0, 3)
        asked.update(name=name, threads=engine.threads, rounds=rounds)
        return MEASURED

    monkeypatch.setattr(speed, "measure", measure)
    file = tmp_path / "tiny.gguf"
    file.write_bytes(gguf(MINIMAL, {"a": (64, 10)}))
    command = [
        "--home",
        str(tmp_path),
        "engine",
        "bench",
        "--path",
        str(file),
        "--threads",
        "1",
        "--rounds",
        "2",
    ]
    got = CliRunner().invoke(main, command)
    assert got.exit_code == 0, got.output
    assert asked == {"name": "tiny", "threads": 1, "rounds": 2}
    for part in ("1 threads", "best of 2", "100 s", "343.2", "80.5", "106", "yes", "9192.0", "57.2"):
        assert part in got.stdout, part
    told = json.loads(CliRunner().invoke(main, [*command, "--json"]).stdout)
    assert told["memory"][1]["cache_mib"] == 50.6 and told["prompt"]["warm_ms"] == 57.2
    assert {"threads", "load_before", "load_after", "omp_wait_policy", "rounds", "model"} <= told.keys()

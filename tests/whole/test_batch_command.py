"""``tokenworks batch run`` from files to files, against a real server with its own worker."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import Server, acme

from tokenworks.providers.scripted import ScriptedProvider, running

SCRIPT = """
[[reply]]
when = { says = "number 7." }
fault = { kind = "status", status = 400 }
[[reply]]
"""


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    with running(SCRIPT) as provider:
        yield provider


def run(server: Server, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tokenworks", "--home", str(server.home), "batch", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder)


def test_from_files_to_files(tmp_path: Path, provider: ScriptedProvider) -> None:
    """Failures are told by the exit status; a retry asks for those alone."""
    (tmp_path / "rows.csv").write_text("text\n" + "".join(f"row number {n}.\n" for n in range(30)))
    (tmp_path / "prompt.txt").write_text("Repeat: {text}")
    words = ("map", "rows.csv", "--template", "prompt.txt", "--model", "acme/fast", "--out", "made", "--json")
    server = Server(tmp_path / "home", acme(provider.base_url)).start()
    try:
        done = run(server, "run", *words, folder=tmp_path)
        assert done.returncode == 1, done.stderr
        shown: dict[str, Any] = json.loads(done.stdout)
        assert (shown["status"], shown["parts"]["done"], shown["parts"]["failed"]) == ("completed", 29, 1)
        assert [each["file"] for each in shown["outputs"]] == ["made/rows.mapped.csv"]
        assert shown["cost_usd"] == pytest.approx(server.usage()["cost_usd"])
        lines = (tmp_path / "made" / "rows.mapped.csv").read_text().splitlines()
        assert len(lines) == 31
        assert "row number 3.,You said: Repeat: row number 3.," in lines
        asked = len(provider.requests)
        provider.play("")
        assert run(server, "retry", shown["id"], folder=tmp_path).returncode == 0
        assert run(server, "watch", shown["id"], folder=tmp_path).returncode == 0
        assert len(provider.requests) == asked + 1
        again = run(server, "results", shown["id"], "--out", "made", folder=tmp_path)
        assert again.returncode == 0
        assert "row number 7.,You said: Repeat: row number 7.," in (
            (tmp_path / "made" / "rows.mapped.csv").read_text().splitlines()
        )
    finally:
        server.stop()

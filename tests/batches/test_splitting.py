"""A split in another process: its parts and refusals come back, its crashes stay there."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from tokenworks.batches import splitting
from tokenworks.batches.recipes.recipe import Part, Skipped, Split
from tokenworks.batches.splitting import Told, split_apart
from tokenworks.errors import BadRequest


class Lines:
    """A recipe that makes a part of each line."""

    def split(self, files: Any, options: Any) -> Split:
        if options.get("fail"):
            raise BadRequest("no such option")
        parts = tuple(
            Part(f"{n}", "l", {"text": line}, len(line), 7)
            for path in files
            for n, line in enumerate(path.read_text().splitlines())
        )
        return Split(parts, {"much": "x"}, (Skipped("b.txt", "empty"),))


def run(monkeypatch: pytest.MonkeyPatch, task: dict[str, Any]) -> Told:
    """What the process prints, made in this one."""
    out = io.BytesIO()
    monkeypatch.setattr(splitting, "recipe", lambda name: Lines())
    monkeypatch.setattr(splitting.os, "nice", lambda by: by)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(msgspec.json.encode(task))))
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=out))
    splitting.main()
    return msgspec.json.decode(out.getvalue(), type=Told)


def test_parts_come_back_without_their_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one\nthree\n")
    told = run(monkeypatch, {"recipe": "lines", "files": [str(path)], "options": {}})
    assert [(part.id, part.data, part.input_tokens) for part in told.parts] == [("0", {}, 3), ("1", {}, 5)]
    assert told.skipped == (Skipped("b.txt", "empty"),)


def test_a_refusal_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    told = run(monkeypatch, {"recipe": "lines", "files": [], "options": {"fail": "1"}})
    assert told == Told(error="no such option")


def test_in_a_process_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="no recipe is called 'bake'"):
        split_apart("bake", [tmp_path / "a.txt"], {})


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import os; os.abort()", "can't read these files: exit -6"),
        ("raise ValueError('broken page 7')", "can't read these files: ValueError: broken page 7"),
        ("print('no JSON')", "can't read these files: exit 0"),
        ("import time; time.sleep(9)", "no estimate within 0 s"),
    ],
)
def test_a_process_that_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str, told: str) -> None:
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}"\n')
    script.chmod(0o755)
    monkeypatch.setattr(splitting.sys, "executable", str(script))
    with pytest.raises(BadRequest, match=told):
        split_apart("lines", [], {}, timeout_s=0.4 if "sleep" in code else 20)

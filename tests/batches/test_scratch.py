import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tokenworks.batches import scratch

LEFT = """
import os, signal
from tokenworks.batches import scratch
with scratch.folder() as made:
    (made / "in").mkdir()
    print(made, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_dead_worker_left_goes_and_what_a_live_one_uses_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    done = subprocess.run([sys.executable, "-c", LEFT], capture_output=True, text=True)
    left = Path(done.stdout.strip())
    assert left.parent == tmp_path and (left / "in").is_dir()
    (tmp_path / f"{scratch.PREFIX}strange").mkdir()  # none that a worker made
    with scratch.folder() as used:
        (used / "a").write_text("x")
        assert scratch.sweep() == 1
        assert not left.exists() and (used / "a").exists()
    assert not used.exists()
    assert [each.name for each in tmp_path.iterdir()] == [f"{scratch.PREFIX}strange"]

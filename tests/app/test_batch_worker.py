import subprocess
import sys
from pathlib import Path

from batching import PEPPER

from tokenworks.app.batch_birth import BatchBirth, pack
from tokenworks.batches.timing import Timing
from tokenworks.config.settings import LedgerSettings, Settings


def birth(home: Path, store: str = "") -> BatchBirth:
    settings = Settings(home=home, source=None, ledger=LedgerSettings(store=store), pepper=PEPPER)
    return BatchBirth(settings, "w", "http://127.0.0.1:1", Timing(look_s=9.0))


def start(given: BatchBirth) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tokenworks.app.batch_worker"], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(pack(given))
    process.stdin.flush()
    return process


def test_it_ends_with_its_supervisor_and_by_itself_where_it_can_not_work(tmp_path: Path) -> None:
    orphan = start(birth(tmp_path))
    lost = start(birth(tmp_path, f"sqlite:///{tmp_path}/none/x.db"))
    assert orphan.stdin is not None
    orphan.stdin.close()
    assert orphan.wait(60) == 1
    assert lost.stdin is not None and lost.stderr is not None
    assert lost.wait(60) == 1  # its input stays open: it ends by itself
    said = lost.stderr.read()
    lost.stdin.close()
    lost.stderr.close()
    assert b"none/x.db" in said and b"Traceback" not in said
    assert orphan.stderr is not None
    orphan.stderr.close()

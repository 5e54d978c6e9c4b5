import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tokenworks.ledger.claims import claim, is_abandoned, listed, sweep

HOLD = """
import sys, time
from pathlib import Path
from tokenworks.ledger.claims import claim
claim(Path(sys.argv[1]), "w", "journal", b"head", flags=0, durable=False)
print("held", flush=True)
time.sleep(60)
"""


def probe(path: Path) -> bool:
    fd = os.open(path, os.O_RDONLY)
    try:
        return is_abandoned(fd)
    finally:
        os.close(fd)


def test_a_living_owner_holds_its_file_and_a_killed_one_does_not(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    with owner.stdout:
        assert owner.stdout.readline() == b"held\n"
        [file] = listed(tmp_path)
        assert not probe(file.path)
        owner.kill()
        owner.wait()
    assert probe(file.path)
    assert file.path.read_bytes() == b"head"


def test_a_name_is_never_taken_twice(tmp_path: Path) -> None:
    made = [claim(tmp_path, "w", "journal", b"", flags=0, durable=True) for _ in range(3)]
    made.append(claim(tmp_path, "w", "inflight", b"", flags=0, durable=False))
    for each in made:
        os.close(each.fd)
    assert [each.seq for each in made] == [1, 2, 3, 4]
    assert len(listed(tmp_path)) == 4


def test_files_are_listed_by_worker_and_age_and_nothing_else_is(tmp_path: Path) -> None:
    for name in (
        "b.000001.journal",
        "a.000010.journal",
        "a.000009.journal",
        "a.1.tmp",
        "x.corrupt",
        "a.journal",
    ):
        (tmp_path / name).touch()
    assert [f.path.name for f in listed(tmp_path)] == [
        "a.000009.journal",
        "a.000010.journal",
        "b.000001.journal",
    ]
    assert listed(tmp_path / "not there") == []


@pytest.mark.parametrize("worker", ["", "../up", "a/b", "a.b", "x" * 65])
def test_a_worker_is_named_so_that_its_file_stays_in_the_folder(tmp_path: Path, worker: str) -> None:
    with pytest.raises(ValueError, match="worker name"):
        claim(tmp_path, worker, "journal", b"", flags=0, durable=False)


def test_half_made_files_go_once_nobody_can_be_making_them(tmp_path: Path) -> None:
    old, new = tmp_path / "w.1.2.tmp", tmp_path / "w.3.4.tmp"
    old.touch()
    new.touch()
    os.utime(old, (time.time() - 300, time.time() - 300))
    sweep(tmp_path)
    assert not old.exists()
    assert new.exists()

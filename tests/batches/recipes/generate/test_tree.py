"""Files written as a tree, and nowhere else."""

import json
from pathlib import Path

from tokenworks.batches.recipes.generate import tree
from tokenworks.batches.recipes.generate.tree import Line


def test_files_are_written_and_failed_ones_are_marked(tmp_path: Path) -> None:
    assert tree.put(tmp_path, "a/b.py", "x\n", False) == ("a/b.py.failed", "")
    assert (tmp_path / "a/b.py.failed").read_text() == "x\n"
    assert tree.put(tmp_path, "a/b.py", "y\n", True) == ("a/b.py", "")
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["b.py"]


def test_a_good_file_of_an_earlier_job_stays(tmp_path: Path) -> None:
    tree.put(tmp_path, "b.py", "good\n", True)
    tree.put(tmp_path, "b.py", "bad\n", False)
    assert (tmp_path / "b.py").read_text() == "good\n"


def test_links_are_never_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f.py").write_text("mine")
    folder = tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    (folder / "link").symlink_to(outside)
    (folder / "deep" / "link").symlink_to(outside)
    (folder / "f.py").symlink_to(outside / "f.py")
    assert tree.put(folder, "link/f.py", "x", True) == ("", "link is a link, which is never followed")
    assert tree.put(folder, "deep/link/g.py", "x", True)[0] == ""
    assert tree.put(folder, "f.py", "x", True) == ("f.py", "")
    assert (outside / "f.py").read_text() == "mine"
    assert [file.name for file in outside.iterdir()] == ["f.py"]


def test_files_in_the_way_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.b").write_text("")
    (tmp_path / "c.py").mkdir()
    assert tree.put(tmp_path, "a.b/c.py", "x", True)[1] == "a.b is a file, a folder is needed"
    assert tree.put(tmp_path, "c.py", "x", True)[1] == "c.py is a folder already"


def test_the_report(tmp_path: Path) -> None:
    lines = [Line("a.py", True, "a.py", 3, "passed"), Line("b.py", False, tests="failed", problems=["x"])]
    output = tree.report(tmp_path, lines, [("l.md", "line 3: no")])
    assert output.note == "1 of 2 files are good, 1 skipped"
    told = json.loads((tmp_path / tree.REPORT).read_text())
    assert (told["good"], told["failed"], told["tests"]["passed"]) == (1, 1, 1)
    assert told["each"][1]["problems"] == ["x"]
    assert tree.kind("a.html") == "text/html"
    assert tree.kind("Makefile") == "text/plain"

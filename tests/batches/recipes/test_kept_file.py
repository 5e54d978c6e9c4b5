"""Files are there whole or not at all."""

from pathlib import Path

import pytest

from tokenworks.batches.recipes import kept_file


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    kept_file.write(tmp_path / "deep" / "er" / "a.txt", "héllo")
    assert (tmp_path / "deep" / "er" / "a.txt").read_text(encoding="utf-8") == "héllo"
    assert [file.name for file in (tmp_path / "deep" / "er").iterdir()] == ["a.txt"]


def test_what_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")
    with pytest.raises(OSError, match="full"), kept_file.made(file) as out:
        out.write(b"half")
        raise OSError("the disk is full")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_is_replaced_and_never_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "a.txt").symlink_to(outside)
    (folder / "a.txt.part").symlink_to(outside)
    kept_file.write(folder / "a.txt", "new")
    assert outside.read_text() == "mine"
    assert (folder / "a.txt").read_text() == "new"
    assert not (folder / "a.txt").is_symlink()

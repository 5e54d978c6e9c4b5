"""Whatever files do to the process that reads them: they are named, and the rest is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from deadly_recipe import RECIPE

from tokenworks.batches import splitting
from tokenworks.batches.apart import Died, Late, NoRoom
from tokenworks.batches.phase import Head, Result, crashed, place_of
from tokenworks.batches.recipes.recipe import Checked, Part
from tokenworks.batches.splitting import Pieces, line_of, merge, split, split_apart, to_merge
from tokenworks.errors import BadRequest

DEADLY = place_of(RECIPE)
SMALL = 600 << 20  # bytes


def cut(folder: Path, texts: Mapping[str, str], **more: Any) -> Pieces:
    (folder / "in").mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / "in" / name).write_text(text)
    options = more.pop("options", {})
    return split(DEADLY, [Path(name) for name in texts], options, folder, memory_bytes=SMALL, **more)


def test_parts_and_what_they_share_come_back(tmp_path: Path) -> None:
    pieces = cut(tmp_path, {"a.txt": "one\nthree", "b.txt": "x"}, options={"merge": "well"})
    assert [(part.id, part.lane, part.data) for part in pieces.parts()] == [
        ("0000.0000", "a.txt", {"line": "one"}),
        ("0000.0001", "a.txt", {"line": "three"}),
        ("0001.0000", "b.txt", {"line": "x"}),
    ]
    assert (pieces.head.shared, pieces.head.skipped, pieces.unusable) == ({"merge": "well"}, (), {})


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("crash", "crashes what reads it (SIGSEGV); save it anew with another program"),
        ("eat", "takes more than 600 MiB of memory to read; split it"),
        ("hang", "takes more than 2 s to read; split it, or save it anew"),
        ("raise", "can't be read (KeyError: 'page 7'); save it anew"),
    ],
)
def test_a_file_that_kills_is_named_and_the_rest_is_read(tmp_path: Path, word: str, why: str) -> None:
    pieces = cut(tmp_path, {"a.txt": "one", "bad.txt": f"first\n{word}", "c.txt": "two"}, file_s=2.0)
    assert [part.data["line"] for part in pieces.parts()] == ["one", "two"]
    assert pieces.unusable == {1: why}
    assert [(each.file, each.reason) for each in pieces.head.skipped] == [("bad.txt", why)]


def test_many_that_kill_are_found_one_by_one(tmp_path: Path) -> None:
    texts = {"a.txt": "crash", "b.txt": "one", "c.txt": "raise", "d.txt": "eat", "e.txt": "two"}
    pieces = cut(tmp_path, texts)
    assert sorted(pieces.unusable) == [0, 2, 3]
    assert [part.data["line"] for part in pieces.parts()] == ["one", "two"]
    assert "SIGSEGV" in pieces.unusable[0] and "page 7" in pieces.unusable[2] and "MiB" in pieces.unusable[3]


def test_what_is_known_to_kill_is_not_read_again(tmp_path: Path) -> None:
    pieces = cut(tmp_path, {"a.txt": "one", "b.txt": "hang"}, left_out={1: "is too slow"}, file_s=30.0)
    assert pieces.unusable == {1: "is too slow"} and len(list(pieces.parts())) == 1


def test_where_nothing_is_left_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"^its file crashes what reads it \(SIGSEGV\)"):
        cut(tmp_path, {"a.txt": "crash"})
    with pytest.raises(BadRequest, match="none of its 2 files can be read; the first one crashes"):
        cut(tmp_path, {"a.txt": "crash", "b.txt": "crash"})
    with pytest.raises(BadRequest, match="not together: give fewer"):
        cut(tmp_path, {"a.txt": "crowd", "b.txt": "crowd", "c.txt": "crowd"})


def test_what_is_no_file_s_fault_is_none(tmp_path: Path) -> None:
    with pytest.raises(Died, match="page 7"):
        cut(tmp_path, {"a.txt": "one"}, options={"early": "raise"})
    with pytest.raises(BadRequest, match="not with these options"):
        cut(tmp_path, {"a.txt": "one"}, options={"early": "refuse"})
    with pytest.raises(NoRoom, match="No space left"):
        cut(tmp_path, {"a.txt": "full"})
    with pytest.raises(Late):
        cut(tmp_path, {"a.txt": "hang"}, whole_s=0.8)


def merged(folder: Path, word: str) -> str:
    parts = [Part("0", "a", {}, 1, 1), Part("1", "a", {}, 1, 1)]
    (folder / "a.txt").write_text("there")
    with to_merge(folder, Head({"merge": word})) as out:
        for part in parts:
            out.write(line_of(Result(part, Checked(f"said {part.id}"))))
    made, outputs = merge(DEADLY, [Path("a.txt")], folder, memory_bytes=SMALL, quiet_s=2.0)
    return (made / outputs[0].file).read_text()


def test_what_came_out_is_merged(tmp_path: Path) -> None:
    assert merged(tmp_path, "").splitlines() == ["a.txt: 'there'", "0: said 0", "1: said 1"]


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("crash", "it crashed"),
        ("eat", "it takes more than 600 MiB"),
        ("raise", "KeyError: 'page 7'"),
    ],
)
def test_a_merge_that_dies_says_how(tmp_path: Path, word: str, why: str) -> None:
    with pytest.raises(Died, match=why.replace("(", r"\(")):
        merged(tmp_path, word)


def test_an_estimate_has_parts_without_their_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {"a.txt": "one", "b.txt": "crash"}.items():
        (tmp_path / name).write_text(text)
    found = split_apart(DEADLY, [tmp_path / "a.txt", tmp_path / "b.txt"], {})
    assert [(part.id, part.data, part.input_tokens) for part in found.parts] == [("0000.0000", {}, 3)]
    assert [each.file for each in found.skipped] == ["b.txt"]
    with pytest.raises(BadRequest, match="no recipe is called 'bake'"):
        split_apart("bake", [tmp_path / "a.txt"], {})

    def fails(*_: Any, **more: Any) -> Pieces:
        raise more["error"]

    for error, told in (
        (Late(), "within 3 s"),
        (NoRoom("x"), "disk is full"),
        (Died(crashed(11), None), "can't read these"),
    ):
        monkeypatch.setattr(splitting, "split", lambda *_, error=error, **__: fails(error=error))
        with pytest.raises(BadRequest, match=told):
            split_apart(DEADLY, [], {}, timeout_s=3)

"""Tables with their answers, in the format they came in."""

from pathlib import Path
from typing import Any

import pytest

from tokenworks.batches.recipes.map_rows import tables, written


def through(folder: Path, name: str, content: bytes, values: list[Any]) -> bytes:
    source = folder / name
    source.write_bytes(content)
    target = folder / f"out-{name}"
    more = iter(values)
    written.write(
        source, tables.opened(source), target, ["answer"], None, lambda _, bad: None if bad else [next(more)]
    )
    return target.read_bytes()


def test_csv_keeps_delimiter_and_encoding(tmp_path: Path) -> None:
    assert through(tmp_path, "t.csv", b"a;b\r\n1;x, y\r\n", ["z; w"]) == b'a;b;answer\n1;x, y;"z; w"\n'
    made = through(tmp_path, "u.csv", "a,b\n1,é\n".encode("utf-16"), ["ü"])
    assert made.decode("utf-16") == "a,b,answer\n1,é,ü\n"


def test_formulas_are_disarmed_and_numbers_are_not(tmp_path: Path) -> None:
    values = ["=1+1", "-5", "-x", "@a", 7, None, True, ["l"]]
    made = through(tmp_path, "t.csv", b"a\n" + b"=raw\n" * len(values), values).decode().splitlines()
    assert made[1:] == [
        "=raw,'=1+1", "=raw,-5", "=raw,'-x", "=raw,'@a", "=raw,7", "=raw,", "=raw,true", '=raw,"[""l""]"'
    ]  # fmt: skip


def test_bad_lines_are_left_out_of_json_lines(tmp_path: Path) -> None:
    assert through(tmp_path, "t.jsonl", b'{"a":1}\nx\n{"b":2.50}\n', ["y", "z"]) == (
        b'{"a":1,"answer":"y"}\n{"b":2.5,"answer":"z"}\n'
    )


def test_nothing_is_left_where_writing_fails(tmp_path: Path) -> None:
    with pytest.raises(StopIteration):
        through(tmp_path, "t.csv", b"a\n1\n2\n", ["only one"])
    assert not (tmp_path / "out-t.csv").exists()
    assert not list(tmp_path.glob("*.part"))

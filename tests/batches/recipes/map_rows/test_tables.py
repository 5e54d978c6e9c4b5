"""Tables read row by row; what is bad is named by its line."""

import importlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tokenworks.batches.recipes.map_rows import tables
from tokenworks.errors import BadRequest, ConfigError


def read(file: Path) -> tuple[tables.Table, list[tuple[int, list[Any], str]]]:
    table = tables.opened(file)
    return table, [(row.line, list(row.cells), row.fault) for row in tables.rows(file, table)]


def csv_file(folder: Path, content: bytes, name: str = "t.csv") -> Path:
    file = folder / name
    file.write_bytes(content)
    return file


def test_csv_with_bad_rows(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbfid,"the text"\n1,plain\n2,"two\nlines"\n3\n\n4,a,b\n5,"quoted"x\n'
    content += b"6,\xff\xfe\n7,\xc3\xa9\n"
    table, rows = read(csv_file(tmp_path, content))
    assert table.columns == ["id", "the text"]
    assert [row for row in rows if not row[2]] == [
        (2, ["1", "plain"], ""),
        (3, ["2", "two\nlines"], ""),
        (10, ["7", "é"], ""),
    ]
    assert [(line, fault) for line, _, fault in rows if fault] == [
        (5, "1 columns instead of 2"),
        (7, "3 columns instead of 2"),
        (8, "',' expected after '\"'"),
        (9, "it isn't text in UTF-8"),
    ]


def test_other_delimiters_and_encodings(tmp_path: Path) -> None:
    for delimiter in ";\t|":
        table, rows = read(csv_file(tmp_path, f"a{delimiter}b\n1{delimiter}2, 3\n".encode()))
        assert (table.columns, rows[0][1]) == (["a", "b"], ["1", "2, 3"])
    table, rows = read(csv_file(tmp_path, "a\tb,c\n1\t2,3\n".encode("utf-16"), "t.tsv"))
    assert (table.columns, rows[0][1]) == (["a", "b,c"], ["1", "2,3"])


def test_a_quote_that_is_never_closed_is_a_bad_row(tmp_path: Path) -> None:
    _, rows = read(csv_file(tmp_path, b'a,b\n1,2\n3,"4\n5,6\n'))
    assert rows[0] == (2, ["1", "2"], "")
    assert (rows[1][0], rows[1][2]) == (3, "unexpected end of data")


def test_json_lines_with_bad_rows(tmp_path: Path) -> None:
    content = b'{"a":1}\n\n{"b":"x","a":null}\n{"a":\n[1]\n{"a":"\xff"}\n'
    table, rows = read(csv_file(tmp_path, content, "t.jsonl"))
    assert table.columns == ["a", "b"]
    assert [row[:2] for row in rows if not row[2]] == [(1, [1, None]), (3, [None, "x"])]
    bad = {line: fault for line, _, fault in rows if fault}
    assert bad[5] == "no JSON object"
    assert bad[4].startswith("no JSON: ")
    assert bad[6].startswith("no JSON: ")


def test_parquet(tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": [1, None], "b": ["x", "y"]}), file)
    table, rows = read(file)
    assert table.columns == ["a", "b"]
    assert rows == [(1, [1, "x"], ""), (2, [None, "y"], "")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", b""),
        ("t.csv", b"\n\n"),
        ("t.jsonl", b"nothing\n"),
        ("t.parquet", b"PAR1junk"),
        ("t.parquet", b""),
    ],
)
def test_what_is_no_table_is_refused_in_a_line(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(BadRequest, match=r"^it (is empty|holds no JSON object|can't be read)"):
        tables.opened(csv_file(tmp_path, content, name))
    with pytest.raises(BadRequest, match="No such file"):
        tables.opened(tmp_path / "none.csv")


def test_without_pyarrow_the_fix_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ConfigError, match=r"pip install 'tokenworks\[batch\]'"):
        tables.opened(csv_file(tmp_path, b"", "t.parquet"))


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    file = csv_file(tmp_path, b"a\n1\n")
    table = tables.opened(file)
    tables.unchanged(file, table)
    file.write_bytes(b"a\n2\n")
    with pytest.raises(BadRequest, match="has changed since the job began"):
        tables.unchanged(file, table)
    file.unlink()
    with pytest.raises(BadRequest, match="is gone"):
        tables.unchanged(file, table)


def test_cells_as_text() -> None:
    values = [None, "x", 1, 1.5, True, [1, "a"], {"k": None}]
    assert [tables.text_of(value) for value in values] == [
        "",
        "x",
        "1",
        "1.5",
        "true",
        '[1,"a"]',
        '{"k":null}',
    ]

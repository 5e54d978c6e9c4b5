import csv
import json
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet
import pytest

from tokenworks.batches.recipes.extract import merging
from tokenworks.batches.recipes.extract.merging import COLUMNS, by_file, disarmed, formats_of, number, write
from tokenworks.batches.recipes.recipe import Skipped
from tokenworks.errors import BadRequest, ConfigError


def row(file: str, field: str, value: Any, **more: Any) -> dict[str, Any]:
    return dict.fromkeys(COLUMNS, "") | {
        "file": file, "field": field, "value": value, "page": 5, "confidence": 0.9, "accepted": True,
        "currency": "USD", **more,
    }  # fmt: skip


ROWS = [
    row("a.pdf", "revenue", 107_006_000_000, quote="=cmd|'/c calc'!A0"),
    row("a.pdf", "eps", 1.28, quote="Basic\x07 1.28"),
    row("b.pdf", "revenue", 5, accepted=False, problems="revenue: wrong"),
    row("b.pdf", "name", "Quince", page=None),
]
SKIPPED = (Skipped("c.pdf", "is encrypted; save it without its password"),)


def lines(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))


def test_all_tables_are_written_and_agree(tmp_path: Path) -> None:
    made = write(ROWS, ["revenue", "eps"], SKIPPED, tmp_path, ["xlsx", "parquet"])
    assert sorted(one.file for one in made) == sorted(file.name for file in tmp_path.iterdir())
    long = lines(tmp_path / "figures.csv")
    assert [line["value"] for line in long] == ["107006000000", "1.28", "5", "Quince"]
    assert long[2]["accepted"] == "false" and long[2]["problems"] == "revenue: wrong"
    told = json.loads((tmp_path / "figures.json").read_text())
    assert told["figures"][0]["value"] == 107_006_000_000 and told["skipped"][0]["file"] == "c.pdf"
    assert lines(tmp_path / "skipped.csv") == [{"file": "c.pdf", "reason": SKIPPED[0].reason}]
    assert made[0].note == "3 accepted, 1 flagged, of 4 asked for"


def test_nothing_runs_in_a_spreadsheet(tmp_path: Path) -> None:
    write(ROWS, [], (), tmp_path, ["xlsx"])
    assert lines(tmp_path / "figures.csv")[0]["quote"].startswith("'=")
    book = openpyxl.load_workbook(tmp_path / "figures.xlsx")
    assert book.sheetnames == ["figures", "by file", "skipped"]
    cells = {cell.value: cell.data_type for line in book["figures"].iter_rows() for cell in line}
    assert cells["'=cmd|'/c calc'!A0"] == "s" and "f" not in cells.values()
    assert cells[107_006_000_000] == "n"
    book.close()
    assert [disarmed(text) for text in ("=1", " +1", "-1", "@x", "\t=1", "1", "a=1")] == [
        "'=1", "' +1", "'-1", "'@x", "'\t=1", "1", "a=1",
    ]  # fmt: skip


def test_parquet_keeps_numbers_as_numbers(tmp_path: Path) -> None:
    write(ROWS, [], (), tmp_path, ["parquet"])
    read = pyarrow.parquet.read_table(tmp_path / "figures.parquet").to_pylist()
    assert [line["value"] for line in read] == [107_006_000_000.0, 1.28, 5.0, None]
    assert read[3]["text"] == "Quince" and read[0]["page"] == 5 and read[2]["accepted"] is False


def test_a_row_a_file_has_accepted_figures_only() -> None:
    wide, heads = by_file(ROWS, ["revenue", "eps"])
    assert heads == ["file", "currency", "revenue", "eps", "name", "flagged"]
    assert wide[0]["revenue"] == 107_006_000_000 and wide[0]["flagged"] == ""
    assert wide[1]["revenue"] is None and wide[1]["flagged"] == "revenue" and wide[1]["name"] == "Quince"


def test_formats_are_checked_before_anything_is_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    assert formats_of("") == formats_of("csv, json") == []
    assert formats_of("Parquet,xlsx") == ["xlsx", "parquet"]
    with pytest.raises(BadRequest, match="xlsx"):
        formats_of("ods")

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(merging.importlib, "import_module", missing)
    with pytest.raises(ConfigError, match=r"openpyxl.*tokenworks\[batch\]"):
        formats_of("xlsx")


def test_numbers_are_whole_where_they_are_whole() -> None:
    assert [number(text) for text in ("107006000000", "-2.50", "3.0")] == [107006000000, -2.5, 3]
    assert isinstance(number("3.0"), int)

"""Tables as files that other programs read."""

import csv
import importlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tokenworks.errors import BadRequest, ConfigError
from tokenworks.rankings import exporting
from tokenworks.rankings.table import Column, Table

COLUMNS = [
    Column("rank", "rank"),
    Column("app", "text"),
    Column("tokens", "tokens"),
    Column("change", "change"),
]


def made(*rows: dict[str, Any], columns: list[Column] = COLUMNS) -> Table:
    return Table(
        view="app",
        unit="week",
        period="2026-W08",
        since="2026-02-16T00:00:00Z",
        until="2026-02-23T00:00:00Z",
        timezone="UTC",
        complete=True,
        source="",
        columns=columns,
        rows=list(rows),
        total={"tokens": 12},
        note="a note",
    )


TABLE = made(
    {"rank": 1, "app": 'say "hi", you\nthere', "tokens": 2**53 + 1, "change": -0.2},
    {"rank": None, "app": "others", "tokens": 0, "change": None},
)


def rows_of(table: Table) -> list[list[str]]:
    return list(csv.reader(io.StringIO(exporting.to_csv(table).decode(), newline=""), strict=True))


def test_csv_is_quoted_as_the_standard_says() -> None:
    content = exporting.to_csv(TABLE)
    assert content.startswith(
        b'rank,app,tokens,change\r\n1,"say ""hi"", you\nthere",9007199254740993,-0.2\r\n'
    )
    assert rows_of(TABLE)[2] == ["", "others", "0", ""]


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@x", "\t=1", " =1", "\r=1", "\n@x", "=cmd|' /C calc'!A0", "\uff1d1", "-", "\tx"],
)
def test_no_spreadsheet_runs_a_name(text: str) -> None:
    assert rows_of(made({"rank": 1, "app": text, "tokens": 1, "change": -0.5}))[1] == [
        "1",
        f"'{text}",
        "1",
        "-0.5",
    ], "texts only: a negative number stays one"


@pytest.mark.parametrize("text", ["acme", "a=b", "'quoted", " x", "<b>", "a@b", "1-2"])
def test_names_that_are_no_formula_stay(text: str) -> None:
    assert rows_of(made({"rank": 1, "app": text, "tokens": 1, "change": None}))[1][1] == text


def test_what_is_filled_is_told_though_it_is_no_column() -> None:
    table = made(
        {"rank": 1, "app": "a", "tokens": 1, "change": None, "filled": True},
        {"rank": 2, "app": "b", "tokens": 1, "change": None, "filled": False},
    )
    assert [row[-1] for row in rows_of(table)] == ["filled", "true", "false"]


def test_json_is_what_the_api_answers() -> None:
    told = json.loads(exporting.export(TABLE, "json"))
    assert told["period"] == "2026-W08" and told["rows"] == TABLE.rows and told["total"] == {"tokens": 12}


def test_parquet_keeps_types_and_says_what_it_is() -> None:
    pytest.importorskip("pyarrow")
    parquet = importlib.import_module("pyarrow.parquet")
    found = parquet.read_table(io.BytesIO(exporting.export(TABLE, "parquet")))
    assert found.to_pylist() == TABLE.rows
    assert [str(field.type) for field in found.schema] == ["int64", "string", "int64", "double"]
    about = json.loads(found.schema.metadata[b"tokenworks"])
    assert (about["view"], about["period"], about["note"], about["complete"]) == (
        "app",
        "2026-W08",
        "a note",
        True,
    )


def test_parquet_of_estimates_of_nothing_and_of_what_is_filled() -> None:
    pytest.importorskip("pyarrow")
    parquet = importlib.import_module("pyarrow.parquet")
    assert parquet.read_table(io.BytesIO(exporting.to_parquet(made()))).num_rows == 0
    row = {"rank": 1, "app": "a", "tokens": 1.5, "change": 1, "filled": True}
    found = parquet.read_table(io.BytesIO(exporting.to_parquet(made(row))))
    assert found.to_pylist() == [row]
    assert str(found.schema.field("filled").type) == "bool"


def test_parquet_of_more_than_64_bits() -> None:
    parquet = importlib.import_module("pyarrow.parquet")
    rows = [
        {"rank": at, "app": "a", "tokens": tokens, "change": None} for at, tokens in enumerate((3, 10**20))
    ]
    found = parquet.read_table(io.BytesIO(exporting.to_parquet(made(*rows))))
    assert found["tokens"].to_pylist() == [3.0, 1e20] and found["rank"].to_pylist() == [0, 1]


def test_parquet_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"pip install 'tokenworks\[parquet\]'"):
        exporting.to_parquet(TABLE)


def test_formats_by_name() -> None:
    assert exporting.format_of(Path("week.CSV")) == "csv"
    assert set(exporting.MEDIA_TYPES) == {"csv", "json", "parquet"}
    for wrong in ("week.xlsx", "week"):
        with pytest.raises(BadRequest, match=r"\.csv, \.json or \.parquet"):
            exporting.format_of(Path(wrong))
    with pytest.raises(BadRequest, match="csv, json, parquet"):
        exporting.export(TABLE, "xlsx")

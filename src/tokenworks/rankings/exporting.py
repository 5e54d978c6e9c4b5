"""A table as a file: CSV, JSON or Parquet."""

from __future__ import annotations

import csv
import importlib
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tokenworks.errors import BadRequest, ConfigError
from tokenworks.rankings.table import Column, Table, as_json

MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8; header=present",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
}
FILLED = "filled"  # in rows of outside sources: nobody told the figure; no column, yet it must not get lost

_MAX_INT = 2**63 - 1  # sums of what others told may be beyond it
_WHOLE = ("rank", "rank_change", "tokens", "count")
# What formulas of spreadsheets begin with, in full width too; spaces before it are stripped by some.
_SIGNS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def export(table: Table, format: str) -> bytes:
    """The file's content. Raises ``BadRequest`` for an unknown format, ``ConfigError`` without pyarrow."""
    write = _WRITERS.get(format)
    if write is None:
        raise BadRequest(f"format must be one of {', '.join(_WRITERS)}")
    return write(table)


def format_of(path: Path) -> str:
    """The format that the name of the file asks for. Raises ``BadRequest``."""
    found = path.suffix.lower().removeprefix(".")
    if found not in _WRITERS:
        raise BadRequest(f"{path.name}: an export is .csv, .json or .parquet; end its name so")
    return found


def to_csv(table: Table) -> bytes:
    """RFC 4180 in UTF-8, names first. Texts that a spreadsheet would run get a ``'`` before them."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    columns = _columns(table)
    writer.writerow([column.name for column in columns])
    for row in table.rows:
        writer.writerow([_cell(row.get(column.name)) for column in columns])
    return out.getvalue().encode("utf-8", "replace")


def disarmed(text: str) -> str:
    """``text``; one that a spreadsheet could take for a formula gets a ``'`` before it."""
    runs = text[:1] in ("\t", "\r", "\n") or text.lstrip()[:1] in _SIGNS
    return f"'{text}" if runs else text


def to_json(table: Table) -> bytes:
    """The same that the API answers."""
    return msgspec.json.encode(as_json(table))


def to_parquet(table: Table) -> bytes:
    """One row group; what the table says of itself stands in the schema's metadata under ``tokenworks``."""
    try:
        arrow = importlib.import_module("pyarrow")
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise ConfigError(
            f"Parquet needs pyarrow ({error}); run: pip install 'tokenworks[parquet]', or export .csv"
        ) from error
    columns = _columns(table)
    values = [[_plain(row.get(column.name)) for row in table.rows] for column in columns]
    types = [_type(arrow, column, found) for column, found in zip(columns, values, strict=True)]
    arrays = [
        arrow.array(_floats(found) if kind == arrow.float64() else found, kind)
        for found, kind in zip(values, types, strict=True)
    ]
    told = as_json(table)
    about = {name: value for name, value in told.items() if name not in ("columns", "rows")}
    schema = arrow.schema(
        [(column.name, kind) for column, kind in zip(columns, types, strict=True)],
        metadata={"tokenworks": json.dumps(about, ensure_ascii=False)},
    )
    sink = io.BytesIO()
    parquet.write_table(arrow.Table.from_arrays(arrays, schema=schema), sink, compression="zstd")
    return sink.getvalue()


def _columns(table: Table) -> list[Column]:
    told = any(FILLED in row for row in table.rows)
    return [*table.columns, *([Column(FILLED, "text")] if told else [])]


def _cell(value: Any) -> str | int | float:
    if value is None:
        return ""
    if type(value) is bool:
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    return disarmed(_plain(value))


def _plain(value: Any) -> Any:
    """Texts and numbers as they are; anything else as JSON."""
    if value is None or isinstance(value, str | int | float):
        return value
    return json.dumps(value, ensure_ascii=False)


def _floats(values: Sequence[Any]) -> list[float | None]:
    return [None if value is None else float(value) for value in values]


def _type(arrow: Any, column: Column, values: Sequence[Any]) -> Any:
    if column.name == FILLED:
        return arrow.bool_()
    if column.kind == "text":
        return arrow.string()
    fits = all(value is None or (type(value) is int and abs(value) <= _MAX_INT) for value in values)
    whole = column.kind in _WHOLE and fits
    return arrow.int64() if whole else arrow.float64()


_WRITERS: dict[str, Callable[[Table], bytes]] = {"csv": to_csv, "json": to_json, "parquet": to_parquet}

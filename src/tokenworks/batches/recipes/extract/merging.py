"""What came out, as tables: a row for each figure, a row for each file, and what was skipped."""

from __future__ import annotations

import csv
import importlib
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from tokenworks.batches.recipes import kept_file
from tokenworks.batches.recipes.recipe import Output, Skipped
from tokenworks.errors import BadRequest, ConfigError

COLUMNS = ("file", "field", "value", "unit", "scale", "currency", "page", "quote", "confidence", "accepted",
           "problems", "printed")  # fmt: skip
MORE = ("xlsx", "parquet")
KINDS = {
    "csv": "text/csv; charset=utf-8; header=present",
    "json": "application/json",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
}
EXACT = 2**53  # whole numbers up to here are the same as binary fractions
LONGEST_CELL = 32_000  # characters; spreadsheets take 32,767
# What formulas of spreadsheets begin with, in full width too.
_SIGNS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udfff]")

Rows = Sequence[Mapping[str, Any]]


def formats_of(text: str) -> list[str]:
    """Formats besides CSV and JSON that ``text`` ("xlsx,parquet") asks for. Raises ``BadRequest``."""
    names = [name for part in text.split(",") if (name := part.strip().lower())]
    for name in names:
        if name not in KINDS:
            raise BadRequest(f"format {name!r}: choose of {', '.join(KINDS)}")
    wanted = [name for name in MORE if name in names]
    for name in wanted:  # told before anything is paid
        _library({"xlsx": "openpyxl", "parquet": "pyarrow"}[name])
    return wanted


def write(
    rows: Rows, fields: Sequence[str], skipped: Sequence[Skipped], folder: Path, more: Sequence[str]
) -> list[Output]:
    """figures.csv, figures.json, by-file.csv, skipped.csv and ``more`` of MORE into ``folder``."""
    wide, heads = by_file(rows, fields)
    lost = [{"file": one.file, "reason": one.reason} for one in skipped]
    accepted = sum(bool(row["accepted"]) for row in rows)
    flagged = sum(bool(row["problems"]) for row in rows)
    note = f"{accepted} accepted, {flagged} flagged, of {len(rows)} asked for"
    _csv(folder / "figures.csv", COLUMNS, rows)
    _csv(folder / "by-file.csv", heads, wide)
    _csv(folder / "skipped.csv", ("file", "reason"), lost)
    _json(folder / "figures.json", rows, lost)
    made = [
        Output("figures.csv", KINDS["csv"], note),
        Output("figures.json", KINDS["json"], note),
        Output("by-file.csv", KINDS["csv"], "one row a file, accepted figures only"),
        Output("skipped.csv", KINDS["csv"], f"{len(lost)} files skipped"),
    ]
    if "xlsx" in more:
        _xlsx(
            folder / "figures.xlsx",
            {"figures": (COLUMNS, rows), "by file": (heads, wide), "skipped": (("file", "reason"), lost)},
        )
        made.append(Output("figures.xlsx", KINDS["xlsx"], note))
    if "parquet" in more:
        _parquet(folder / "figures.parquet", rows)
        made.append(Output("figures.parquet", KINDS["parquet"], note))
    return made


def by_file(rows: Rows, fields: Sequence[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """(a row for each file, its columns): accepted values by field; "flagged" names the other fields."""
    names = list(dict.fromkeys([*fields, *(row["field"] for row in rows)]))
    heads = ["file", "currency", *names, "flagged"]
    files: dict[str, dict[str, Any]] = {}
    for row in rows:
        line = files.setdefault(row["file"], dict.fromkeys(heads) | {"file": row["file"], "flagged": ""})
        if row["accepted"]:
            line[row["field"]] = row["value"]
            line["currency"] = line["currency"] or row["currency"]
        elif row["problems"]:
            line["flagged"] += (", " if line["flagged"] else "") + row["field"]
    return list(files.values()), heads


def number(text: str) -> int | float:
    """A decimal text as JSON has it: whole where it is whole."""
    value = Decimal(text)
    return int(value) if value == value.to_integral_value() else float(value)


def disarmed(text: str) -> str:
    """``text`` without control characters; one that a spreadsheet could take for a formula gets a ``'``."""
    text = _CONTROLS.sub("\ufffd", text)[:LONGEST_CELL]
    runs = text[:1] in ("\t", "\r", "\n") or text.lstrip()[:1] in _SIGNS
    return f"'{text}" if runs else text


def _cell(value: Any) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, int | float) else disarmed(str(value))


def _csv(file: Path, heads: Sequence[str], rows: Rows) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([_cell(head) for head in heads])
    writer.writerows([_cell(row.get(head)) for head in heads] for row in rows)
    kept_file.write(file, out.getvalue())


def _json(file: Path, rows: Rows, skipped: Rows) -> None:
    told = {"figures": [{name: row[name] for name in COLUMNS} for row in rows], "skipped": list(skipped)}
    kept_file.write(file, _CONTROLS.sub("\ufffd", json.dumps(told, ensure_ascii=False, indent=1)) + "\n")


def _xlsx(file: Path, tables: Mapping[str, tuple[Sequence[str], Rows]]) -> None:
    book = _library("openpyxl").Workbook(write_only=True)
    for title, (heads, rows) in tables.items():
        sheet = book.create_sheet(title)
        sheet.freeze_panes = "A2"
        sheet.append([_cell(head) for head in heads])
        for row in rows:
            cells = [_cell(row.get(head)) for head in heads]
            sheet.append([str(c) if isinstance(c, int) and abs(c) > EXACT else c for c in cells])
    with kept_file.made(file) as out:
        book.save(out)


def _parquet(file: Path, rows: Rows) -> None:
    """``value`` is a number where it is one; texts stand in ``text``."""
    arrow = _library("pyarrow")
    kinds: dict[str, Callable[[], Any]] = {
        "value": arrow.float64, "page": arrow.int64, "confidence": arrow.float64, "accepted": arrow.bool_,
    }  # fmt: skip
    names = [*COLUMNS, "text"]
    schema = arrow.schema([(name, kinds.get(name, arrow.string)()) for name in names])
    lines = []
    for row in rows:
        value = row["value"]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        line = {
            name: _CONTROLS.sub("\ufffd", v) if isinstance(v := row[name], str) else v for name in COLUMNS
        }
        line["value"] = float(value) if is_number else None
        line["text"] = None if is_number or value is None else str(_cell(value))
        lines.append(line)
    with kept_file.made(file) as out:
        _library("pyarrow.parquet").write_table(arrow.Table.from_pylist(lines, schema=schema), out)


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"this format needs {name.split('.')[0]} ({error}); "
            "run: pip install 'tokenworks[batch]', or leave it out"
        ) from error

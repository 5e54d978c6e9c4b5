"""Tables with their answers, in the format they came in."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from tokenworks.batches.recipes.kept_file import made
from tokenworks.batches.recipes.map_rows import answers, tables
from tokenworks.batches.recipes.map_rows.tables import CSV, LINES, Table

KINDS = {
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".jsonl": "application/jsonl",
    ".ndjson": "application/jsonl",
    ".parquet": "application/vnd.apache.parquet",
}
Cells = Callable[[int, bool], list[Any] | None]  # row from 0, is it bad → added cells; None: left out
_SIGNS = tuple("=+-@\t\r")


def write(
    source: Path,
    table: Table,
    target: Path,
    added: Sequence[str],
    schema: Mapping[str, Any] | None,
    cells: Cells,
) -> None:
    """``source`` with the columns ``added`` as ``target``. Raises ``OSError`` where it can't be written."""
    kind = source.suffix.lower()
    with made(target) as out:
        if kind in CSV:
            _csv(source, table, out, added, cells)
        elif kind in LINES:
            _lines(source, out, added, cells)
        else:
            _parquet(source, out, added, schema, cells)


def _csv(source: Path, table: Table, out: IO[bytes], added: Sequence[str], cells: Cells) -> None:
    encoding = "utf-16" if table.encoding == "utf-16" else "utf-8"
    text = io.TextIOWrapper(out, encoding, errors="replace", newline="", write_through=False)
    writer = csv.writer(text, delimiter=table.delimiter, lineterminator="\n")
    writer.writerow([*table.columns, *added])
    for number, row in enumerate(tables.rows(source, table)):
        if (more := cells(number, bool(row.fault))) is not None:
            writer.writerow([*row.cells, *(_cell(value) for value in more)])
    text.flush()
    text.detach()


def _cell(value: Any) -> str:
    """Said by a model: what a spreadsheet could take for a formula gets a ``'`` before it; numbers don't."""
    if not isinstance(value, str):
        return tables.text_of(value)
    if not value.startswith(_SIGNS):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def _lines(source: Path, out: IO[bytes], added: Sequence[str], cells: Cells) -> None:
    for number, (value, fault) in enumerate(tables.objects(source)):
        if (more := cells(number, bool(fault))) is not None:
            out.write(msgspec.json.encode({**value, **dict(zip(added, more, strict=True))}) + b"\n")


def _parquet(
    source: Path, out: IO[bytes], added: Sequence[str], schema: Mapping[str, Any] | None, cells: Cells
) -> None:
    arrow = tables.arrow()
    kinds = [*(answers.kind_of(name, schema) for name in added[:-1]), "string"]
    types = {"integer": arrow.int64(), "number": arrow.float64(), "boolean": arrow.bool_()}
    fields = [
        arrow.field(name, types.get(kind, arrow.string())) for name, kind in zip(added, kinds, strict=True)
    ]
    whole = tables.parquet_schema(source)
    for field in fields:
        whole = whole.append(field)
    with tables.parquet_writer(out, whole) as writer:
        for batch, more in _with_cells(tables.batches(source), cells):
            made = [
                arrow.array([answers.typed(row[at], kind) for row in more], field.type)
                for at, (kind, field) in enumerate(zip(kinds, fields, strict=True))
            ]
            writer.write_batch(arrow.RecordBatch.from_arrays([*batch.columns, *made], schema=whole))


def _with_cells(batches: Iterable[Any], cells: Cells) -> Iterator[tuple[Any, list[list[Any]]]]:
    """Each batch with what is added to its rows; it ends where rows are left out."""
    start = 0
    for batch in batches:
        found = [more for at in range(batch.num_rows) if (more := cells(start + at, False)) is not None]
        start += batch.num_rows
        if found:
            yield batch.slice(0, len(found)), found

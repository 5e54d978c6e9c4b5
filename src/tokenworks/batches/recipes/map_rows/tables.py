"""Tables as files: CSV, JSON lines, Parquet, read row by row; never a whole file at once."""

from __future__ import annotations

import csv
import hashlib
import importlib
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tokenworks.errors import BadRequest, ConfigError

CSV, LINES, PARQUET = (".csv", ".tsv"), (".jsonl", ".ndjson"), (".parquet",)
LARGEST_CELL = 16_000_000  # characters
AT_ONCE = 1_000  # rows of Parquet that are in memory at a time
_BROKEN = re.compile("[\ud800-\udfff]")  # bytes that were no UTF-8
_NOT_UTF8 = "it isn't text in UTF-8"


class Row(msgspec.Struct):
    """One row; ``cells`` in the order of the columns, as they stand there. ``fault``: it can't be used."""

    line: int  # of the file, from 1; of Parquet the row
    cells: Sequence[Any]
    fault: str = ""


class Table(msgspec.Struct, frozen=True):
    """What a file says of itself before its rows."""

    file: str
    columns: list[str]
    sha256: str
    delimiter: str = ""  # of CSV
    encoding: str = ""


def opened(file: Path) -> Table:
    """The columns of ``file``. Raises ``BadRequest``, one line, where there are none."""
    kind = file.suffix.lower()
    try:
        digest = _digest(file)
        if kind in PARQUET:
            names = list(_parquet().ParquetFile(file).schema_arrow.names)
            return Table(file.name, names, digest)
        if kind in LINES:
            return Table(file.name, _keys(file), digest)
        return _csv_table(file, digest)
    except OSError as error:
        raise BadRequest(f"it can't be read: {error.strerror or error}") from error
    except ValueError as error:  # pyarrow's errors and those of csv
        raise BadRequest(f"it can't be read: {str(error)[:200]}") from error


def unchanged(file: Path, table: Table) -> None:
    """Raises ``BadRequest`` where ``file`` isn't any more what it was."""
    try:
        same = _digest(file) == table.sha256
    except OSError as error:
        raise BadRequest(
            f"{table.file} is gone ({error.strerror}); put it back to get the results"
        ) from error
    if not same:
        raise BadRequest(f"{table.file} has changed since the job began; put it back as it was")


def rows(file: Path, table: Table) -> Iterator[Row]:
    """All rows in order, bad ones too."""
    kind = file.suffix.lower()
    if kind in PARQUET:
        return _parquet_rows(file)
    return _json_rows(file, table) if kind in LINES else _csv_rows(file, table)


def text_of(value: Any) -> str:
    """A cell as it is put into a prompt."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value, enc_hook=str).decode()


def _digest(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


# --- CSV ----------------------------------------------------------------------------------------


def _csv_table(file: Path, digest: str) -> Table:
    with file.open("rb") as source:
        encoding = "utf-16" if source.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    with file.open(encoding=encoding, errors="surrogateescape", newline="") as source:
        first = source.readline(LARGEST_CELL)
    delimiter = "\t" if file.suffix.lower() == ".tsv" else max(",;\t|", key=first.count)
    table = Table(file.name, [], digest, delimiter, encoding)
    for row in _records(file, table):
        if row.fault:
            raise BadRequest(f"line {row.line}: {row.fault}")
        return msgspec.structs.replace(table, columns=[str(name).strip() for name in row.cells])
    raise BadRequest("it is empty")


def _csv_rows(file: Path, table: Table) -> Iterator[Row]:
    wanted = len(table.columns)
    for row in itertools.islice(_records(file, table), 1, None):
        if not row.fault and len(row.cells) != wanted:
            row.fault = f"{len(row.cells)} columns instead of {wanted}"
        yield row


def _records(file: Path, table: Table) -> Iterator[Row]:
    """What csv reads, empty lines left out."""
    csv.field_size_limit(max(csv.field_size_limit(), LARGEST_CELL))
    with file.open(encoding=table.encoding, errors="surrogateescape", newline="") as source:
        reader = csv.reader(source, delimiter=table.delimiter, strict=True)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(line, (), str(error))
                continue
            if any(not cell.isascii() and _BROKEN.search(cell) for cell in cells):
                yield Row(line, (), _NOT_UTF8)
            elif cells:
                yield Row(line, cells)


# --- JSON lines -----------------------------------------------------------------------------------


def _keys(file: Path) -> list[str]:
    """Every key of any object, in the order they come."""
    found: dict[str, None] = {}
    for _, value, fault in _objects(file):
        if not fault:
            found.update(dict.fromkeys(value))
    if not found:
        raise BadRequest("it holds no JSON object")
    return list(found)


def _objects(file: Path) -> Iterator[tuple[int, dict[str, Any], str]]:
    """(line, object, fault) of each line that isn't blank."""
    decoder = msgspec.json.Decoder()
    with file.open("rb") as source:
        for number, line in enumerate(source, 1):
            bare = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if not bare.strip():
                continue
            try:
                value = decoder.decode(bare)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                yield number, {}, f"no JSON: {str(error)[:120]}"
                continue
            fault = "" if isinstance(value, dict) else "no JSON object"
            yield number, value if not fault else {}, fault


def _json_rows(file: Path, table: Table) -> Iterator[Row]:
    for number, value, fault in _objects(file):
        yield Row(number, [value.get(name) for name in table.columns], fault)


def objects(file: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """(object, fault) of each line of a file of JSON lines, as it stands there."""
    return ((value, fault) for _, value, fault in _objects(file))


# --- Parquet --------------------------------------------------------------------------------------


def arrow() -> Any:
    """pyarrow. Raises ``ConfigError`` where it isn't installed."""
    return _module("pyarrow")


def _parquet() -> Any:
    return _module("pyarrow.parquet")


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"Parquet needs pyarrow ({error}); run: pip install 'tokenworks[batch]'") from error


def _parquet_rows(file: Path) -> Iterator[Row]:
    number = 0
    for batch in batches(file):
        found: Iterable[Any] = zip(*(column.to_pylist() for column in batch.columns), strict=True)
        for cells in found:
            number += 1
            yield Row(number, cells)


def batches(file: Path) -> Iterator[Any]:
    """The rows of a Parquet file, as pyarrow has them, a thousand at a time."""
    with _parquet().ParquetFile(file) as source:
        yield from source.iter_batches(batch_size=AT_ONCE)


def parquet_schema(file: Path) -> Any:
    """The columns of a Parquet file and their types, as pyarrow has them."""
    return _parquet().read_schema(file)


def parquet_writer(sink: Any, schema: Any) -> Any:
    """Writes record batches into ``sink``."""
    return _parquet().ParquetWriter(sink, schema, compression="zstd")

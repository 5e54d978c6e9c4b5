"""One file of outside usage → rows, or one error that says where it is wrong."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

from tokenworks.errors import BadRequest
from tokenworks.ledger.outside import OutsideRow, Span
from tokenworks.rankings.importing import csv_rows, json_rows
from tokenworks.rankings.importing.gathering import Gathering

MAX_BYTES = 256 * 1024 * 1024  # of one file: some five million rows
MAX_SOURCE = 64  # characters
_MAX_NAME = 100


def read(path: Path, *, source: str = "", span: Span | None = None) -> list[OutsideRow]:
    """The rows of the file; ``source`` is its name without the ending where it is not given.

    Raises ``BadRequest`` naming file, line and column.
    """
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        raise BadRequest(
            f"{_named(path.name)}: {error.strerror}; give the path of a CSV or JSON file"
        ) from None
    if size > MAX_BYTES:
        raise BadRequest(_too_large(path.name, size))
    return parse(content, path.name, source=source, span=span)


def parse(
    content: bytes, name: str, *, source: str = "", span: Span | None = None, today: date | None = None
) -> list[OutsideRow]:
    """The rows of CSV or JSON in ``content``; errors call it ``name``.

    ``span`` says what dates stand for (e.g. "week": each is a Monday), which files don't always tell; None:
    as they are written. Raises ``BadRequest`` that begins like ``article.csv:12:3 (tokens):``, with line and
    field of CSV, line and character of JSON.
    """
    name = _named(name)
    source = (source or Path(name).stem).strip()
    if not 0 < len(source) <= MAX_SOURCE or not source.isprintable():
        raise BadRequest(
            f"{name}: a source has a name of 1 to {MAX_SOURCE} printable characters; give --source"
        )
    if len(content) > MAX_BYTES:
        raise BadRequest(_too_large(name, len(content)))
    text = _decoded(content, name)
    is_json = text.lstrip()[:1] in ("{", "[")
    gathering = Gathering(source, span, today or datetime.now(UTC).date(), unit="row" if is_json else "line")
    try:
        (json_rows if is_json else csv_rows).gather(text, gathering)
    except csv_rows.Place as place:
        column = f" ({_named(place.name)})" if place.name else ""
        raise BadRequest(f"{name}:{place.line}:{place.column}{column}: {place.message}") from None
    if not gathering.rows:
        raise BadRequest(f"{name}:{text.count(chr(10)) + 1}:1: there are no rows in it")
    return gathering.rows


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8-sig", "replace")) + 1
        raise BadRequest(
            f"{name}:{line}:{column}: byte 0x{content[error.start]:02x} is no UTF-8; save the file as UTF-8"
        ) from None


def _too_large(name: str, size: int) -> str:
    most = f"{MAX_BYTES // 2**20:,} MiB is the most: import it in parts"
    return f"{_named(name)} has {size // 2**20:,} MiB; {most}"


def _named(name: str) -> str:
    """A name fit to stand in an error."""
    return "".join(char if char.isprintable() else "\ufffd" for char in name[:_MAX_NAME])

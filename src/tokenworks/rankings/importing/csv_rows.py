"""CSV: fields apart by comma, semicolon or tab, quoted as RFC 4180 says; lines with # before them are notes.

Places are the line where a record begins and the number of the field in it, both from 1.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from tokenworks.rankings.importing.columns import Columns, Unknown, matched
from tokenworks.rankings.importing.gathering import Fault, Gathering

_DELIMITERS = (",", ";", "\t")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_MAX_SHOWN = 40


class Place(Exception):
    """Something is wrong in ``line``, field ``column``, which the header calls ``name`` ("" none)."""

    def __init__(self, line: int, column: int, name: str, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.name = name
        self.message = message


class _Lines:
    """The lines of a text, with their count. Notes and empty ones are left out between records."""

    def __init__(self, text: str) -> None:
        self._lines = io.StringIO(text, newline="")
        self.number = 0  # of the line that was read last
        self.began = 0  # the one in which the record began
        self._between = True

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while True:
            line = next(self._lines)
            self.number += 1
            if not self._between:
                return line
            if line[0] != "#" and not line.isspace():
                self.began = self.number
                self._between = False
                return line

    def next_record(self) -> None:
        self._between = True


def gather(text: str, into: Gathering) -> None:
    """Every record of ``text`` to ``into``. Raises ``Place``."""
    control = _CONTROL.search(text)
    if control:
        line, column, field = _spot(text, control.start())
        raise Place(line, field, "", f"control character {control[0]!r} at character {column} of the line")
    lines = _Lines(text)
    delimiter, names, columns = _header(lines, text)
    width = columns.width
    for record in _records(lines, text, delimiter):
        if len(record) != width:
            _check_width(record, names, lines.began)
        try:
            into.add(columns, record, lines.began)
        except Fault as fault:
            raise Place(fault.at, fault.field + 1, names[fault.field], fault.message) from None


def _header(lines: _Lines, text: str) -> tuple[str, list[str], Columns]:
    """The delimiter that makes sense of the first line, what it says, and what that means."""
    try:
        first = next(lines)
    except StopIteration:
        raise Place(1, 1, "", "the file is empty; its first line names the columns") from None
    wrong: tuple[str, list[str], Unknown] | None = None
    for delimiter in sorted(_DELIMITERS, key=first.count, reverse=True):
        try:
            names = next(csv.reader([first], delimiter=delimiter, strict=True))
        except csv.Error:
            raise Place(lines.began, 1, "", "a quote is left open in the names of the columns") from None
        try:
            found = matched(names)
        except Unknown as error:
            wrong = wrong or (delimiter, names, error)
            continue
        lines.next_record()
        return delimiter, [name.strip() for name in names], found
    assert wrong is not None  # there are delimiters, and none of them did
    _, names, fault = wrong
    raise Place(lines.began, fault.at + 1, names[fault.at].strip(), str(fault))


def _records(lines: _Lines, text: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.next_record()
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error:
            field, message = _fault_of_quotes(text, lines.began, delimiter)
            raise Place(lines.began, field, "", message) from None
        yield record


def _check_width(record: list[str], names: list[str], line: int) -> None:
    """Fewer or more fields than there are columns."""
    told = f"{len(record)} fields, but the file has {len(names)} columns"
    if len(record) < len(names):
        raise Place(line, len(record) + 1, names[len(record)], f"is missing: the line has {told}")
    raise Place(line, len(names) + 1, "", f"one field too many: the line has {told}; quote what has commas")


def _fault_of_quotes(text: str, line: int, delimiter: str) -> tuple[int, str]:
    """The field of the record beginning in ``line`` that is quoted wrongly, and how."""
    at = _start_of(text, line)
    field, quoted, fresh = 1, False, True
    began, longest = at, csv.field_size_limit()
    while at < len(text):
        char = text[at]
        if fresh:
            began = at
        elif at - began > longest and not quoted:
            break
        if quoted:
            if char == '"' and text[at + 1 : at + 2] == '"':
                at += 1
            elif char == '"':
                quoted = False
                if (after := text[at + 1 : at + 2]) not in (delimiter, "\n", "\r", ""):
                    return field, f"{after!r} follows the closing quote; double the quotes within a text"
        elif char == '"' and fresh:
            quoted, fresh = True, False
        elif char == delimiter:
            field, fresh = field + 1, True
        elif char in "\r\n":
            break
        else:
            fresh = False
        at += 1
    return field, "a quote is left open" if quoted else "the text is too long"


def _start_of(text: str, line: int) -> int:
    lines = io.StringIO(text, newline="")
    return sum(len(next(lines)) for _ in range(line - 1))


def _spot(text: str, at: int) -> tuple[int, int, int]:
    """Line, character and (by the commonest delimiter before it) field of a place, all from 1."""
    before = list(io.StringIO(text[:at], newline=""))
    within = before.pop() if before and before[-1][-1] not in "\r\n" else ""
    field = max(within.count(delimiter) for delimiter in _DELIMITERS) + 1
    return len(before) + 1, len(within) + 1, field

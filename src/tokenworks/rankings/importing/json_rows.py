"""JSON: ``{"data": [rows]}``, ``[rows]``, or a row a line.

Values have no places once they are decoded, so the text is walked again to find the one that is wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import msgspec

from tokenworks.rankings.importing.columns import Columns, Unknown, matched
from tokenworks.rankings.importing.csv_rows import Place
from tokenworks.rankings.importing.gathering import Fault, Gathering

_SPACE = re.compile(r"[ \t\r\n]*")
_BYTE = re.compile(r"\(byte (\d+)\)")  # where the fast decoder stopped
_MAX_DIGITS = 400
_DECODER = json.JSONDecoder(
    parse_int=lambda digits: int(digits) if len(digits) <= _MAX_DIGITS else float("inf")
)
_WANTED = 'write {"data": [...]}, a list of rows, or a row a line'


def gather(text: str, into: Gathering) -> None:
    """Every row of ``text`` to ``into``. Raises ``Place``: line and character, both from 1."""
    if _is_a_row_a_line(text):
        _lines(text, into)
        return
    found = _decoded(text, 0)
    rows = found.get("data", found) if isinstance(found, dict) else found
    rows = [rows] if isinstance(rows, dict) else rows
    if not isinstance(rows, list):
        start = _SPACE.match(text, 0)
        at = _data(text) if isinstance(found, dict) else start.end() if start else 0
        raise _place(text, at, "", f"this is no list of rows; {_WANTED}")
    if not rows:
        raise _place(text, 0, "", "there are no rows in it")
    known: dict[tuple[str, ...], Columns] = {}
    for index, row in enumerate(rows):
        try:
            _add(row, known, into, index + 1)
        except Fault as fault:
            at = _start_of_row(text, index)
            raise _fault(text, at, row, fault) from None


def _lines(text: str, into: Gathering) -> None:
    known: dict[tuple[str, ...], Columns] = {}
    at = 0
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            row = _decoded(line, at, text)
            try:
                _add(row, known, into, number)
            except Fault as fault:
                start = _SPACE.match(text, at)
                raise _fault(text, start.end() if start else at, row, fault) from None
        at += len(line) + 1


def _add(row: Any, known: dict[tuple[str, ...], Columns], into: Gathering, at: int) -> None:
    if not isinstance(row, dict):
        raise Fault(at, -1, f"this is no row but {_kind(row)}; {_WANTED}")
    names = tuple(row)
    columns = known.get(names)
    if columns is None:
        try:
            columns = known[names] = matched(names)
        except Unknown as error:
            raise Fault(at, error.at if names else -1, str(error)) from None
    into.add(columns, list(row.values()), at)


def _is_a_row_a_line(text: str) -> bool:
    """Whether the first line is a whole row, and there are more."""
    first, _, rest = text.lstrip().partition("\n")
    if not rest.strip() or not first.startswith("{"):
        return False
    try:
        row = msgspec.json.decode(first)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return False
    return isinstance(row, dict) and "data" not in row


def _decoded(part: str, at: int, text: str = "") -> Any:
    """``part``, which stands at ``at`` of ``text``, decoded. Raises ``Place``."""
    try:
        return msgspec.json.decode(part)
    except RecursionError:
        raise _place(text or part, at, "", "it is nested too deeply") from None
    except (msgspec.DecodeError, ValueError) as error:
        return _decoded_slowly(part, at, text or part, str(error))


def _decoded_slowly(part: str, at: int, text: str, otherwise: str) -> Any:
    """By the standard decoder, which tells where it stopped and why; what it takes (a number beyond all
    measure, half a character), the cell it stands in is refused for."""
    try:
        return json.loads(part, parse_constant=_no_constant, parse_int=_DECODER.parse_int)
    except json.JSONDecodeError as error:
        raise _place(text, at + error.pos, "", f"this is no JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        told = _BYTE.search(otherwise)
        if told:
            at += len(part.encode()[: int(told[1])].decode("utf-8", "ignore"))
        raise _place(text, at, "", f"this is no JSON: {error}") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def _fault(text: str, at: int, row: Any, fault: Fault) -> Place:
    """Where in the row that begins at ``at`` the value of the fault's column stands."""
    if fault.field < 0:
        return _place(text, at, "", fault.message)
    name = list(row)[fault.field]
    try:
        spots = [spot for key, spot in _members(text, at) if key == name]
    except RecursionError:
        spots = []
    return _place(text, spots[-1] if spots else at, name, fault.message)


def _place(text: str, at: int, name: str, message: str) -> Place:
    line = text.count("\n", 0, at) + 1
    return Place(line, at - text.rfind("\n", 0, at), name, message)


def _start_of_row(text: str, index: int) -> int:
    """Where the row of this index begins."""
    at = _after_space(text, 0)
    if text[at] == "{":
        at = _data(text)
    if text[at] == "{":
        return at
    for place, start in enumerate(_items(text, at)):
        if place == index:
            return start
    return at


def _data(text: str) -> int:
    """Where the value of the outermost "data" stands, or else the object."""
    at = _after_space(text, 0)
    spots = [spot for key, spot in _members(text, at) if key == "data"]
    return spots[-1] if spots else at


def _items(text: str, at: int) -> Iterator[int]:
    """The places of the values in the list at ``at``."""
    at = _after_space(text, at + 1)
    while text[at] != "]":
        yield at
        at = _after_space(text, _DECODER.raw_decode(text, at)[1])
        if text[at] == ",":
            at = _after_space(text, at + 1)


def _members(text: str, at: int) -> Iterator[tuple[str, int]]:
    """The keys of the object at ``at`` and the places of their values."""
    at = _after_space(text, at + 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        at = _after_space(text, _after_space(text, at) + 1)  # the colon
        yield key, at
        at = _after_space(text, _DECODER.raw_decode(text, at)[1])
        if text[at] == ",":
            at = _after_space(text, at + 1)


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _kind(value: Any) -> str:
    kinds = {str: "a text", bool: "a truth value", list: "a list", type(None): "null"}
    return kinds.get(type(value), "a number")

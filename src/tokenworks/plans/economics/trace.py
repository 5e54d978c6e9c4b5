"""Traces of requests in files, read into sessions.

Three forms, told apart by their first line:

* CSV with ``TIMESTAMP,ContextTokens,GeneratedTokens`` (Azure's LLM inference traces of 2023): each row
  stands for itself.
* JSON lines with ``timestamp`` (ms), ``input_length``, ``output_length`` and ``hash_ids`` (Mooncake's): a
  request that repeats all full blocks of an earlier one goes on with its session, and what they share is
  read from the cache.
* our own, CSV or JSON lines: ``time_s`` (unix or from any start), ``input_tokens`` (all of them),
  ``output_tokens`` and, where known, ``cache_read_tokens`` and ``cache_write_tokens`` (parts of
  ``input_tokens``), ``subscriber``, ``session``, ``model``.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tokenworks.errors import ConfigError
from tokenworks.ledger.record import MAX_TIME_US, MAX_TOKENS

BLOCK_TOKENS = 512  # of input that one of ``hash_ids`` stands for
_LEAST_BLOCKS = 3  # a shorter prompt is little more than the instructions that everybody begins with
_SECOND_US = 1_000_000

_AZURE = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
_NEEDED = ("time_s", "input_tokens", "output_tokens")
_FORMS = f"a CSV with {','.join(_AZURE)}, JSON lines with hash_ids, or rows with {', '.join(_NEEDED)}"


class Request(NamedTuple):
    """One request of a trace; tokens are disjoint classes, as in ``Usage``."""

    time_us: int
    model: str  # "" where the trace does not say
    uncached: int
    read: int
    write: int
    output: int


class Session(NamedTuple):
    """Requests that belong together, in order of time."""

    subscriber: str  # "" where the trace does not say
    requests: list[Request]


def read(path: Path) -> list[Session]:
    """The sessions of ``path``, in order of their first request.

    Raises ``ConfigError`` naming file and line of what can't be read, ``OSError`` without the file.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            sessions = _sessions(path, lines)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: is no text of requests ({error}); give {_FORMS}") from error
    if not sessions:
        raise ConfigError(f"{path}: has no requests; give {_FORMS}")
    return sessions


def _sessions(path: Path, lines: Iterable[str]) -> list[Session]:
    rows = iter(lines)
    first = next(rows, "")
    if not first:
        return []
    if first.lstrip().startswith("{"):
        objects = _objects(path, first, rows)
        head = next(objects, None)
        if head is None:
            return []
        blocks = "hash_ids" in head[1]
        return (_by_prefix if blocks else _own)(path, _back(head, objects))
    names = tuple(next(csv.reader([first]), ()))
    if names[:3] == _AZURE:
        return [Session("", [_azure(path, number, row)]) for number, row in _cells(rows) if row]
    if not set(_NEEDED) <= set(names):
        raise ConfigError(f"{path}:1: not a trace that is known; give {_FORMS}")
    named = ((number, dict(zip(names, row, strict=False))) for number, row in _cells(rows) if row)
    return _own(path, named)


_Rows = Iterator[tuple[int, dict[str, Any]]]


def _back(head: tuple[int, dict[str, Any]], rest: _Rows) -> _Rows:
    yield head
    yield from rest


def _cells(rows: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    return enumerate(csv.reader(rows), 2)


def _objects(path: Path, first: str, rows: Iterator[str]) -> _Rows:
    for number, line in enumerate((first, *rows), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ConfigError(f"{path}:{number}: is no JSON ({error}); each line is one object") from error
        if not isinstance(row, dict):
            raise ConfigError(f"{path}:{number}: each line is one JSON object")
        yield number, row


def _azure(path: Path, number: int, row: list[str]) -> Request:
    if len(row) < len(_AZURE):
        raise ConfigError(f"{path}:{number}: {len(row)} fields where {','.join(_AZURE)} are wanted")
    tokens = [_count(path, number, name, value) for name, value in zip(_AZURE[1:], row[1:], strict=False)]
    return Request(0, "", tokens[0], 0, 0, tokens[1])


def _by_prefix(path: Path, rows: _Rows) -> list[Session]:
    """Each block's id stands for everything up to its end, so one id tells a whole prefix."""
    sessions: list[Session] = []
    seen: list[set[int]] = []  # blocks of each session
    ends: dict[int, int] = {}  # last full block of a request → its session
    for number, row in rows:
        time_us = _time(path, number, "timestamp", row.get("timestamp"), _SECOND_US // 1000)
        total = _count(path, number, "input_length", row.get("input_length"))
        output = _count(path, number, "output_length", row.get("output_length"))
        blocks = row.get("hash_ids")
        if not isinstance(blocks, list) or not all(isinstance(block, int) for block in blocks):
            raise ConfigError(f"{path}:{number}: hash_ids is no list of whole numbers")
        place = next((ends[block] for block in reversed(blocks) if block in ends), None)
        if place is None:
            place = len(sessions)
            sessions.append(Session("", []))
            seen.append(set())
        known = seen[place]
        shared = 0
        while shared < len(blocks) and blocks[shared] in known:
            shared += 1
        cached = min(shared * BLOCK_TOKENS, total)
        sessions[place].requests.append(Request(time_us, "", total - cached, cached, 0, output))
        known.update(blocks)
        if len(blocks) >= _LEAST_BLOCKS:
            ends[blocks[-2]] = place  # the last block is not full: it changes when text is added
    return [Session("", sorted(each.requests)) for each in sessions]


def _own(path: Path, rows: _Rows) -> list[Session]:
    sessions: dict[tuple[str, ...], Session] = {}
    for number, row in rows:
        for name in _NEEDED:
            if row.get(name) in (None, ""):
                raise ConfigError(f"{path}:{number}: {name} is missing; every row needs {', '.join(_NEEDED)}")
        total, output, cached, written = (
            _count(path, number, name, row.get(name) or 0)
            for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
        )
        if cached + written > total:
            raise ConfigError(
                f"{path}:{number}: more cached tokens than input_tokens, which counts all of them"
            )
        subscriber, session = str(row.get("subscriber") or ""), str(row.get("session") or "")
        time_us = _time(path, number, "time_s", row["time_s"], _SECOND_US)
        key = (subscriber, session) if session else (subscriber, "", str(number))
        request = Request(
            time_us, str(row.get("model") or ""), total - cached - written, cached, written, output
        )
        sessions.setdefault(key, Session(subscriber, [])).requests.append(request)
    found = [Session(each.subscriber, sorted(each.requests)) for each in sessions.values()]
    return sorted(found, key=lambda session: session.requests[0].time_us)


def _count(path: Path, number: int, name: str, value: Any) -> int:
    try:
        count = int(value)
    except (TypeError, ValueError, OverflowError):
        count = -1
    if not 0 <= count <= MAX_TOKENS:
        raise ConfigError(f"{path}:{number}: {name} is {value!r}; use a whole number of tokens, 0 or more")
    return count


def _time(path: Path, number: int, name: str, value: Any, unit_us: int) -> int:
    try:
        time_us = round(float(value) * unit_us)
    except (TypeError, ValueError, OverflowError):
        time_us = -1
    if not 0 <= time_us <= MAX_TIME_US:
        raise ConfigError(f"{path}:{number}: {name} is {value!r}; use a number, 0 or more")
    return time_us

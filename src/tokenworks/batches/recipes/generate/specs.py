"""Lists of specifications: TOML, a table (CSV, JSON lines), or Markdown with a heading for each file."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from tokenworks.batches.recipes.generate import languages
from tokenworks.batches.recipes.map_rows import tables
from tokenworks.batches.recipes.recipe import Skipped
from tokenworks.errors import BadRequest

_KEYS = ("path", "spec", "tests", "command", "language")
_TOP = ("instructions", "context", "file", "files")
_LONGEST = 240  # characters of a path
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HEADING = re.compile(r"(#{2,3})\s+(.*?)\s*#*\s*")
_FENCE = re.compile(r" {0,3}(```+|~~~+)")


class Spec(msgspec.Struct):
    """A file to be written: its path in the tree, what it must do, how it is tested."""

    path: str
    spec: str
    tests: str = ""  # Python that raises where it fails
    command: str = ""
    language: str = ""


class Listed(msgspec.Struct):
    """What a list holds. ``context`` are names of files beside the list."""

    specs: list[Spec]
    instructions: str = ""
    context: list[str] = []
    skipped: list[Skipped] = []


def listed(file: Path) -> Listed:
    """What ``file`` lists; a bad entry is skipped. Raises ``BadRequest`` where it can't be read."""
    kind = file.suffix.lower()
    if kind in (".md", ".markdown"):
        found, named = _markdown(_text(file))
    elif kind == ".toml":
        found, named = _toml(_text(file))
    else:
        found = Listed([])
        named = _table(file, found.skipped)
    for where, told in named:
        try:
            found.specs.append(_spec(told))
        except BadRequest as error:
            found.skipped.append(Skipped(file.name, f"{where}: {error.message}"))
    return found


def wrong_path(path: str) -> str:
    """Why ``path`` can't be a file of the tree that is made; empty where it can."""
    parts = path.split("/")
    name = parts[-1].lower()
    if not path or len(path) > _LONGEST or _CONTROL.search(path):
        return "its path is empty, too long or holds control characters"
    if path.startswith(("/", "~")) or "\\" in path or re.match(r"[A-Za-z]:", path):
        return f"the path must be relative, with “/”: {path[:80]}"
    if any(part in ("", ".", "..") or part != part.strip() for part in parts):
        return f"the path must be plain, without “.”, “..” or spaces around names: {path[:80]}"
    if any(part.lower() in (".git", ".hg", ".svn") for part in parts):
        return f"the path leads into a repository's own folder: {path[:80]}"
    if name not in languages.NAMES and "." not in name:
        return f"no name of a file: {path[:80]}"
    return f"a name that is kept for ourselves: {path}" if name.endswith((".part", ".failed")) else ""


def same(path: str) -> str:
    """What two paths share that would be one file on some disk."""
    return unicodedata.normalize("NFC", path).casefold()


def _spec(told: Mapping[str, Any]) -> Spec:
    for key, value in told.items():
        if key not in _KEYS:
            raise BadRequest(f"“{key}” is not known here; there are: {', '.join(_KEYS)}")
        if not isinstance(value, str):
            raise BadRequest(f"“{key}” must be a text")
    path = told.get("path", "").strip().removeprefix("./")
    if wrong := wrong_path(path):
        raise BadRequest(wrong)
    if not told.get("spec", "").strip():
        raise BadRequest(f"{path} has no spec")
    language = languages.named(told.get("language", "")) or languages.of(path)
    if told.get("tests", "").strip() and language != "python":
        raise BadRequest(f"{path}: tests are Python; give a command for {language or 'other'} files")
    return Spec(path, told["spec"].strip(), told.get("tests", ""), told.get("command", "").strip(), language)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadRequest(f"it can't be read: {error.strerror or error}") from error
    except ValueError as error:
        raise BadRequest("it can't be read: it isn't text in UTF-8") from error


Named = list[tuple[str, Mapping[str, Any]]]  # where an entry stands, and the entry


def _toml(text: str) -> tuple[Listed, Named]:
    try:
        told = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"it can't be read: {str(error)[:200]}") from error
    for key in told:
        if key not in _TOP:
            raise BadRequest(f"“{key}” is not known here; there are: {', '.join(_TOP)}")
    entries = [*_list(told, "file", dict), *_list(told, "files", dict)]
    instructions = told.get("instructions", "")
    if not isinstance(instructions, str):
        raise BadRequest("“instructions” must be a text")
    found = Listed([], instructions, _list(told, "context", str))
    return found, [(f"file {at}", entry) for at, entry in enumerate(entries, 1)]


def _list(told: Mapping[str, Any], key: str, kind: type) -> list[Any]:
    value = told.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, kind) for one in value):
        raise BadRequest(f"“{key}” must be a list of {'texts' if kind is str else 'tables ([[file]])'}")
    return value


def _table(file: Path, skipped: list[Skipped]) -> Named:
    table = tables.opened(file)
    if "path" not in table.columns or "spec" not in table.columns:
        raise BadRequest(f"it needs the columns path and spec; there are: {', '.join(table.columns[:20])}")
    named: Named = []
    for row in tables.rows(file, table):
        if row.fault:
            skipped.append(Skipped(file.name, f"line {row.line}: {row.fault}"))
            continue
        pairs = zip(table.columns, row.cells, strict=True)
        named.append((f"line {row.line}", {k: tables.text_of(v) for k, v in pairs if k in _KEYS}))
    return named


def _markdown(text: str) -> tuple[Listed, Named]:
    """``## path`` begins a file; under it ``### Tests`` and ``### Command`` hold what they say."""
    before: list[str] = []
    entries: list[tuple[str, dict[str, list[str]]]] = []
    fence, into = "", before
    for number, line in enumerate(text.splitlines(), 1):
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1][0] == fence[0] and len(mark[1]) >= len(fence):
            fence = ""
        heading = None if fence or mark else _HEADING.fullmatch(line)
        if heading and heading[1] == "##":
            entries.append((f"line {number}", {"path": [heading[2].strip("`* ")], "spec": []}))
            into = entries[-1][1]["spec"]
        elif heading and entries and heading[2].lower() in ("tests", "command"):
            into = entries[-1][1].setdefault(heading[2].lower(), [])
        else:
            into.append(line)
    named: Named = []
    for where, pieces in entries:
        told = {key: "\n".join(lines) for key, lines in pieces.items()}
        for key in ("tests", "command"):
            if key in told:
                told[key] = _inside(told[key])
        named.append((where, told))
    if not named:
        raise BadRequest(
            "it has no heading of a file: write “## path/to/file.py”, and below it what it must do"
        )
    return Listed([], "\n".join(before).strip()), named


def _inside(text: str) -> str:
    """What the fences in ``text`` hold; without any all of it."""
    held: list[str] = []
    fence = ""
    for line in text.splitlines():
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1][0] == fence[0] and len(mark[1]) >= len(fence):
            fence = ""
        elif fence:
            held.append(line)
    return "\n".join(held) if held else text.strip().strip("`")


def beside(file: Path, name: str) -> Path:
    """The file ``name`` in the folder of ``file``. Raises ``BadRequest`` for one outside of it."""
    folder = file.parent.resolve()
    place = (folder / PurePosixPath(name)).resolve()
    if not place.is_relative_to(folder):
        raise BadRequest(f"context must stand beside {file.name}: {name[:80]}")
    return place

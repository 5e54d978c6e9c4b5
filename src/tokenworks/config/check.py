"""One TOML table → one settings struct, refusing what can't be right with file, line and the fix.

No message ever shows a value: a mistyped line may hold a secret.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tokenworks.config.lines import KeyPath, Lines
from tokenworks.config.rules import problem
from tokenworks.errors import ConfigError

S = TypeVar("S", bound=msgspec.Struct)

_WORDS: dict[object, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text in quotes",
    list: "a list",
    dict: "a table",
}


class Source:
    """One TOML file that was read: its content, and how to point into it."""

    def __init__(self, file: Path, text: str, content: dict[str, Any]) -> None:
        self.file = file
        self.content = content
        self._text = text
        self._lines: Lines | None = None

    def refuse(self, path: KeyPath, message: str, *, at: str | None = None) -> ConfigError:
        """The error for the table at ``path``, pointing at its key ``at`` where that is the culprit."""
        if self._lines is None:  # only a refused file is scanned for lines
            self._lines = Lines(self._text)
        line = self._lines.of(*path) if at is None else self._lines.of(*path, at)
        name = ".".join(part for part in path if isinstance(part, str))
        return ConfigError(f"{self.file}:{line}: {name + ': ' if name else ''}{message}")

    def table(self, value: object, path: KeyPath) -> dict[str, Any]:
        """``value`` if it is a table, else a ``ConfigError``."""
        if not isinstance(value, dict):
            raise self.refuse(path, f"must be a table ({header(path)}), not {describe(value)}")
        return value


def header(path: KeyPath) -> str:
    """The header under which the table at ``path`` is written."""
    name = ".".join(part for part in path if isinstance(part, str))
    return f"[[{name}]]" if isinstance(path[-1], int) else f"[{name}]"


def fields(cls: type[msgspec.Struct], value: object, source: Source, path: KeyPath) -> dict[str, Any]:
    """The fields of ``cls`` that the table ``value`` at ``path`` gives, each converted and checked.

    Unknown keys, wrong types and impossible values raise ``ConfigError``; missing keys do not.
    """
    table = source.table(value, path)
    known = {field.name: field.type for field in msgspec.structs.fields(cls)}
    return {key: _field(cls, known, key, content, source, path) for key, content in table.items()}


def build(cls: type[S], values: Mapping[str, Any], source: Source, path: KeyPath) -> S:
    """``cls`` of ``values``; a required key that is missing raises ``ConfigError``."""
    for field in msgspec.structs.fields(cls):
        if field.required and field.name not in values:
            raise source.refuse(path, f"{field.name} is missing; add {field.name} = {_sample(field.type)}")
    return cls(**values)


def unknown(key: str, known: Iterable[str], what: str = "key") -> str:
    """The complaint about ``key``, with the nearest of ``known`` or all of them."""
    near = nearest(key, known)
    hint = f'did you mean "{near}"?' if near else f"known here: {', '.join(sorted(known))}"
    return f'unknown {what} "{key}"; {hint}'


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that ``word`` was most likely meant to be, if any is near."""
    near = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return near[0] if near else None


def describe(value: object) -> str:
    """What kind of TOML value this is, in words."""
    for kind in (bool, int, float, str, list, dict):
        if isinstance(value, kind):
            return "text" if kind is str else _WORDS[kind]
    return "a date or time"


def under(folder: Path, named: str) -> Path:
    """The path ``named``; a relative one counts from the home folder, so that it can be moved as a whole."""
    try:
        return folder / Path(named).expanduser()
    except RuntimeError as error:  # ~someone who is not there
        raise ConfigError(f"{named}: {error}") from None


def _field(
    cls: type[msgspec.Struct], known: dict[str, Any], key: str, value: object, source: Source, path: KeyPath
) -> Any:
    if key not in known:
        raise source.refuse(path, unknown(key, known), at=key)
    struct = _struct_in(known[key])
    if struct is not None:
        return _structs(struct, value, source, (*path, key))
    try:
        converted = msgspec.convert(value, type=known[key])
    except msgspec.ValidationError:
        expected, kind = _expected(known[key])
        but = "" if type(value) is kind else f", not {describe(value)}"  # else the fault is inside it
        raise source.refuse(path, f"{key} must be {expected}{but}", at=key) from None
    complaint = problem(cls, key, converted)
    if complaint:
        raise source.refuse(path, f"{key} {complaint}", at=key)
    return converted


def _structs(cls: type[S], value: object, source: Source, path: KeyPath) -> tuple[S, ...]:
    """An array of tables."""
    if not isinstance(value, list):
        raise source.refuse(path, f"must be an array of tables ({header((*path, 0))}), not {describe(value)}")
    return tuple(
        build(cls, fields(cls, element, source, (*path, position)), source, (*path, position))
        for position, element in enumerate(value)
    )


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """The struct of which ``kind`` is a tuple, if it is one."""
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is tuple and issubclass(arguments[0], msgspec.Struct):
        return typing.cast("type[msgspec.Struct]", arguments[0])
    return None


def _expected(kind: Any) -> tuple[str, type]:
    """A field's type in words, and the Python type that TOML's reader gives for it."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _expected(next(part for part in arguments if part is not type(None)))
    if origin is typing.Literal:
        return "one of " + ", ".join(f'"{choice}"' for choice in arguments), str
    if origin is tuple:
        return 'a list of texts (["...", "..."])', list
    if origin is dict:
        return 'a table of texts ({ name = "..." })', dict
    return _WORDS[kind], kind


def _sample(kind: Any) -> str:
    return '"..."' if kind is str else "..."

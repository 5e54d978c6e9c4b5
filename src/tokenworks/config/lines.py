"""Where in a TOML text a value stands, so that a refused setting can be pointed at.

``tomllib`` forgets line numbers. This scanner reads the same text a second time and remembers, for
every header, key and array element, the line it begins on. It expects text that ``tomllib`` accepted
and never raises: at anything it does not understand it stops and keeps what it has, so that the worst
outcome is the line of an enclosing table.
"""

from __future__ import annotations

import bisect
import re
import tomllib

KeyPath = tuple[str | int, ...]  # keys and array positions: ("providers", "acme", "models", 0, "id")

_BLANK = re.compile(r"[ \t\r]*")
_BLANK_LINES = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRINGS = (  # longest quotes first; a multi-line string may end in up to two quotes of its own
    re.compile(r'"""(?:\\.|[^\\])*?"{3,5}', re.DOTALL),
    re.compile(r"'''.*?'{3,5}", re.DOTALL),
    re.compile(r'"(?:\\.|[^"\\\n])*"'),
    re.compile(r"'[^'\n]*'"),
)
_PLAIN = re.compile(r"[^,\]}#\n]+")  # numbers, booleans, dates


class Lines:
    """Line numbers, counted from 1, of everything that one TOML text names."""

    def __init__(self, text: str) -> None:
        self._lines: dict[KeyPath, int] = _Scanner(text).run()

    def of(self, *path: str | int) -> int:
        """The line where ``path`` begins; of what the text does not name, its nearest ancestor's line.

        A table begins at its own header, or, without one, where it is first mentioned.
        """
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]


class _Lost(Exception):
    """The text is not what the scanner expects here."""


class _Scanner:
    """One pass over one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self._lines: dict[KeyPath, int] = {(): 1}
        self._tables: dict[KeyPath, int] = {}  # arrays of tables: how many elements so far

    def run(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        try:
            while self._skip(_BLANK_LINES):
                if self._text[self._at] == "[":
                    table = self._header()
                else:
                    self._pair(table)
        except (_Lost, RecursionError):
            pass  # what has been found so far still helps
        return self._lines

    def _header(self) -> KeyPath:
        line = self._line()
        array = self._text.startswith("[[", self._at)
        self._at += 2 if array else 1
        keys = self._keys()
        path: KeyPath = ()
        for position, key in enumerate(keys):
            path += (key,)
            self._lines.setdefault(path, line)
            if array and position == len(keys) - 1:
                self._tables[path] = self._tables.get(path, 0) + 1
            if path in self._tables:  # a header means the last element so far
                path += (self._tables[path] - 1,)
                self._lines.setdefault(path, line)
        self._lines[path] = line
        self._skip(_BLANK)
        self._expect("]]" if array else "]")
        return path

    def _pair(self, table: KeyPath) -> None:
        line = self._line()
        path = table
        for key in self._keys():
            path += (key,)
            self._lines.setdefault(path, line)
        self._skip(_BLANK)
        self._expect("=")
        self._skip(_BLANK)
        self._value(path)

    def _keys(self) -> list[str]:
        """A dotted key, its parts unquoted."""
        keys: list[str] = []
        while True:
            self._skip(_BLANK)
            bare = _BARE_KEY.match(self._text, self._at)
            if bare:
                keys.append(bare.group())
                self._at = bare.end()
            else:
                keys.append(self._quoted_key())
            self._skip(_BLANK)
            if not self._text.startswith(".", self._at):
                return keys
            self._at += 1

    def _quoted_key(self) -> str:
        start = self._at
        if self._text[start : start + 1] not in ('"', "'"):
            raise _Lost
        self._string()
        try:
            key = tomllib.loads("key = " + self._text[start : self._at])["key"]
        except tomllib.TOMLDecodeError as error:
            raise _Lost from error
        return str(key)

    def _value(self, path: KeyPath) -> None:
        first = self._text[self._at : self._at + 1]
        if first in ('"', "'"):
            self._string()
        elif first == "[":
            self._array(path)
        elif first == "{":
            self._inline_table(path)
        else:
            plain = _PLAIN.match(self._text, self._at)
            if plain is None:
                raise _Lost
            self._at = plain.end()

    def _string(self) -> None:
        for pattern in _STRINGS:
            match = pattern.match(self._text, self._at)
            if match:
                self._at = match.end()
                return
        raise _Lost

    def _array(self, path: KeyPath) -> None:
        self._expect("[")
        element = 0
        while self._skip(_BLANK_LINES) and self._text[self._at] != "]":
            self._lines.setdefault((*path, element), self._line())
            self._value((*path, element))
            element += 1
            self._skip(_BLANK_LINES)
            if self._text.startswith(",", self._at):
                self._at += 1
        self._expect("]")

    def _inline_table(self, path: KeyPath) -> None:
        self._expect("{")
        while self._skip(_BLANK_LINES) and self._text[self._at] != "}":
            self._pair(path)
            self._skip(_BLANK_LINES)
            if self._text.startswith(",", self._at):
                self._at += 1
        self._expect("}")

    def _skip(self, blank: re.Pattern[str]) -> bool:
        """Move past what ``blank`` matches; False at the end of the text."""
        match = blank.match(self._text, self._at)
        if match:
            self._at = match.end()
        return self._at < len(self._text)

    def _expect(self, token: str) -> None:
        if not self._text.startswith(token, self._at):
            raise _Lost
        self._at += len(token)

    def _line(self) -> int:
        return bisect.bisect_left(self._newlines, self._at) + 1

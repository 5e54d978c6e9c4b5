"""What rows of rankings are called in the reader's language: countries, weights, tasks, languages."""

from __future__ import annotations

from tokenworks.catalog.authors import Authors
from tokenworks.console.strings import Strings
from tokenworks.rankings.table import OTHERS

# Columns whose values are words of ours, each with the name of its strings.
_WORDS = {"weights": "weights", "category": "task", "task": "task", "language": "language", "basis": "basis"}
_UNNAMED = ("app", "user", "team", "key", "provider", "model", "finish", "code")
UNKNOWN = "unknown"


class Names:
    """Names in one language. What callers wrote is shown as it is; templates escape it."""

    def __init__(self, strings: Strings, language: str) -> None:
        self.t = strings.translator(language)
        self.language = language
        self._strings = strings
        self._authors = Authors.load()

    def known(self, word: str) -> bool:
        """Whether there is such a string."""
        return self._strings.has(word)

    def name(self, column: str, value: str) -> str:
        """What stands in a text column, or names a series of a chart."""
        if value == OTHERS:
            return self.t("rankings.others")
        if column == "country":
            return self._authors.country_title("" if value == UNKNOWN else value, self.language)
        if column == "author" and value == UNKNOWN:
            return self.t("rankings.unknown_author")
        if column == "author":
            return self._authors.title(value)
        if column in _WORDS and self.known(word := f"rankings.{_WORDS[column]}_{value}"):
            return self.t(word)
        if not value and column in _UNNAMED:
            return self.t(f"rankings.no_{column}")
        return value

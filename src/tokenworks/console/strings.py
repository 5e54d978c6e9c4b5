"""What the pages say, in each language: ``strings/NAME.toml`` with a table for each."""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources

log = logging.getLogger(__name__)
LANGUAGES = {"en": "English", "zh": "中文"}  # code -> its own name
DEFAULT = "en"

Translate = Callable[..., str]


class Strings:
    """All strings: by language, then by ``NAME.KEY``."""

    def __init__(self, tables: Mapping[str, Mapping[str, str]], *, strict: bool = False) -> None:
        self.tables = tables
        self.strict = strict

    @classmethod
    def load(cls, *, strict: bool = False) -> Strings:
        """Reads every file. Raises ValueError for a table of no known language."""
        return cls(_tables(), strict=strict)

    def has(self, key: str) -> bool:
        """Whether there is such a string."""
        return key in self.tables[DEFAULT]

    def translator(self, language: str) -> Translate:
        """``t(key, **values)``: the string with ``{value}`` filled in.

        Where ``n`` is 1 the string ``KEY_one`` is taken if there is one. What is missing is said in English,
        then by its name; raises KeyError instead when strict.
        """
        table, english = self.tables[language], self.tables[DEFAULT]

        def t(key: str, **values: object) -> str:
            if values.get("n") == 1 and f"{key}_one" in table:
                key = f"{key}_one"
            text = table.get(key)
            if text is None:
                if self.strict:
                    raise KeyError(f"no string {key!r} in {language}")
                log.warning("console: no string %s in %s", key, language)
                text = english.get(key)
                if text is None:
                    return key
            return text.format(**values) if values else text

        return t


@cache
def _tables() -> dict[str, dict[str, str]]:
    tables: dict[str, dict[str, str]] = {language: {} for language in LANGUAGES}
    for file in (resources.files("tokenworks.console") / "strings").iterdir():
        name, _, kind = file.name.partition(".")
        if kind != "toml":
            continue
        for language, table in tomllib.loads(file.read_text("utf-8")).items():
            if language not in tables:
                raise ValueError(f"console/strings/{file.name}: [{language}] is no language of the console")
            tables[language].update({f"{name}.{key}": text for key, text in table.items()})
    return tables

"""What pages say: in both languages, and nothing that nobody wrote."""

from __future__ import annotations

import re
import string
import tomllib
from pathlib import Path

import pytest

from tokenworks.console import strings as module
from tokenworks.console.strings import LANGUAGES, Strings

CONSOLE = Path(module.__file__).parent
FILES = sorted((CONSOLE / "strings").glob("*.toml"))
# t("shell.copy") in templates; title="home.title", Alert("warn", "home.alert_drift") in Python
NAMED = re.compile(r"""\bt\(\s*["']([a-z_]+\.[a-z0-9_]+)["']\s*[,)]""")


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_both_languages_say_the_same_things(file: Path) -> None:
    tables = tomllib.loads(file.read_text())
    assert set(tables) == set(LANGUAGES)
    english, chinese = tables["en"], tables["zh"]
    # plurals are a matter of English
    assert {key for key in english if not key.endswith("_one")} == {
        k for k in chinese if not k.endswith("_one")
    }
    for key, text in chinese.items():
        assert text.strip() and fields(text) <= fields(english[key]), key


def test_every_string_that_is_named_is_there() -> None:
    known = Strings.load()
    named = {
        (file.name, key)
        for file in (*CONSOLE.glob("templates/*.html"), *CONSOLE.glob("*.py"))
        for key in NAMED.findall(file.read_text())
    }
    assert len(named) > 100
    missing = sorted((file, key) for file, key in named if not known.has(key))
    assert not missing


def test_values_are_filled_in_and_are_never_formats() -> None:
    t = Strings({"en": {"a.b": "{who}: {n} times", "a.b_one": "{who}: once"}, "zh": {}}).translator("en")
    assert t("a.b", who="{n} <b>", n=2) == "{n} <b>: 2 times"
    assert t("a.b", who="x", n=1) == "x: once"


def test_what_is_missing_is_an_error_in_tests_and_its_name_on_a_page() -> None:
    tables = {"en": {"a.b": "B"}, "zh": {}}
    with pytest.raises(KeyError, match=r"no string 'a\.c' in en"):
        Strings(tables, strict=True).translator("en")("a.c")
    assert Strings(tables).translator("zh")("a.b") == "B"
    assert Strings(tables).translator("zh")("a.c") == "a.c"

"""Lists of specifications."""

from pathlib import Path

import pytest

from tokenworks.batches.recipes.generate import specs
from tokenworks.errors import BadRequest

MARKDOWN = """All of it for Python 3.11.

```
## not/a/heading.py
```

## `src/a.py`

Doubles numbers.

```python
## a comment, no heading
double(2)
```

### Notes
Keep it short.

### Tests
```python
assert double(2) == 4
```

## web/app.js ##
A page.
### Command
`node --check web/app.js`

## Overview
"""


def put(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_markdown(tmp_path: Path) -> None:
    found = specs.listed(put(tmp_path, "list.md", MARKDOWN))
    first, second = found.specs
    assert (first.path, first.language, first.tests) == ("src/a.py", "python", "assert double(2) == 4")
    assert first.spec.startswith("Doubles numbers.")
    assert "## a comment, no heading" in first.spec
    assert "Keep it short." in first.spec
    assert (second.path, second.command) == ("web/app.js", "node --check web/app.js")
    assert found.instructions.startswith("All of it for Python 3.11.")
    assert [skip.reason for skip in found.skipped] == ["line 29: no name of a file: Overview"]


def test_toml(tmp_path: Path) -> None:
    text = 'instructions = "I"\ncontext = ["api.py"]\n'
    text += '[[file]]\npath = "a.py"\nspec = "x"\n[[file]]\npath = "b.py"\n'
    found = specs.listed(put(tmp_path, "list.toml", text))
    assert (found.instructions, found.context, [spec.path for spec in found.specs]) == (
        "I",
        ["api.py"],
        ["a.py"],
    )
    assert found.skipped[0].reason == "file 2: b.py has no spec"


def test_tables(tmp_path: Path) -> None:
    found = specs.listed(put(tmp_path, "l.csv", "path,spec,owner\na.py,does a,me\nb.py\n,x,\n"))
    assert [(spec.path, spec.spec) for spec in found.specs] == [("a.py", "does a")]
    assert [skip.reason[:7] for skip in found.skipped] == ["line 3:", "line 4:"]
    found = specs.listed(put(tmp_path, "l.jsonl", '{"path":"x.txt","spec":"y","language":"js"}\n'))
    assert found.specs[0].language == "javascript"
    with pytest.raises(BadRequest, match="columns path and spec; there are: a, b"):
        specs.listed(put(tmp_path, "m.csv", "a,b\n1,2\n"))


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [
        ("l.toml", "a = ", "can't be read"),
        ("l.toml", "a = 1", "“a” is not known"),
        ("l.toml", "file = 1", "must be a list of tables"),
        ("l.toml", "context = [1]", "must be a list of texts"),
        ("l.toml", "instructions = 1", "must be a text"),
        ("l.md", "just words", "no heading of a file"),
    ],
)
def test_what_is_no_list(tmp_path: Path, name: str, text: str, wrong: str) -> None:
    with pytest.raises(BadRequest, match=wrong):
        specs.listed(put(tmp_path, name, text))
    with pytest.raises(BadRequest, match="No such file"):
        specs.listed(tmp_path / "none.md")
    (tmp_path / "bin.md").write_bytes(b"\xff\xff")
    with pytest.raises(BadRequest, match="UTF-8"):
        specs.listed(tmp_path / "bin.md")


@pytest.mark.parametrize(
    "path",
    ["", "/etc/a.py", "../a.py", "a/../../b.py", "a//b.py", "./../a.py", "~/a.py", "C:/a.py", "a\\b.py",
     "a/./b.py", ".git/hooks/a.sh", "x/.GIT/a.b", "a\0.py", "a\nb.py", "dir", "a.py/", "a .py/ b.py",
     "x" * 300 + ".py",
     "a.py.part", "a.failed"],
)  # fmt: skip
def test_paths_that_are_refused(path: str) -> None:
    assert specs.wrong_path(path)


@pytest.mark.parametrize("path", ["a.py", "a/b-c/d e.py", "Makefile", ".env.example", "src/ä.py", "a..b.py"])
def test_paths_that_are_fine(path: str) -> None:
    assert specs.wrong_path(path) == ""


def test_tests_of_other_languages_need_a_command(tmp_path: Path) -> None:
    text = '[[file]]\npath = "a.js"\nspec = "x"\ntests = "assert"\n'
    text += '[[file]]\npath = "b.py"\nspec = "x"\nmodel = "y"\n'
    found = specs.listed(put(tmp_path, "l.toml", text))
    assert [skip.reason for skip in found.skipped] == [
        "file 1: a.js: tests are Python; give a command for javascript files",
        "file 2: “model” is not known here; there are: path, spec, tests, command, language",
    ]


def test_context_stands_beside_the_list(tmp_path: Path) -> None:
    inner = tmp_path / "in"
    inner.mkdir()
    (inner / "link.py").symlink_to(tmp_path / "out.py")
    assert specs.beside(inner / "l.md", "a.py") == (inner / "a.py").resolve()
    for name in ("../out.py", "/etc/hostname", "link.py"):
        with pytest.raises(BadRequest, match="must stand beside"):
            specs.beside(inner / "l.md", name)


def test_paths_that_one_disk_takes_for_the_same() -> None:
    assert specs.same("A/e\u0301.py") == specs.same("a/é.py")

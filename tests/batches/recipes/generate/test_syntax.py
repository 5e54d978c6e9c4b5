"""Syntax by language."""

import shutil
from pathlib import Path

import pytest

from tokenworks.batches.recipes.generate import syntax
from tokenworks.batches.recipes.generate.syntax import fault


@pytest.mark.parametrize(
    ("language", "path", "good", "bad", "said"),
    [
        ("python", "a.py", "def f():\n    return 1\n", "def f(:\n", "SyntaxError: "),
        (
            "python",
            "a.py",
            "x = '\\d'\n",
            "x = 1\nreturn x\n",
            "'return' outside function in line 2: return x",
        ),
        ("python", "a.py", "a: int\n", "if 1:\nx = 2\n", "IndentationError: "),
        ("json", "a.json", "[1]", "[1,]", "line 1"),
        ("toml", "a.toml", "a = 1", "a = \nb", "line 1"),
        ("html", "a.html", "<b>x</b>", "<b>x", "<b> in line 1"),
        ("xml", "a.svg", "<a/>", "<a>", "no element found"),
        ("rust", "a.rs", "fn f() {}", "fn f() {", "never closed"),
        ("go", "a.go", "package a", "import os\nprint(os)\n", "it is Python"),
        ("typescript", "a.ts", "let a: number = (1);", "let a = (1;", "never closed"),
        ("sql", "a.sql", "select (", "select )", None),
        ("", "LICENSE", "x (", "", None),
    ],
)
def test_good_and_bad(language: str, path: str, good: str, bad: str, said: str | None) -> None:
    assert fault(language, good, path) == ""
    assert (said or "") in fault(language, bad, path)
    assert bool(fault(language, bad, path)) == (said is not None)


@pytest.mark.skipif(shutil.which("node") is None, reason="node isn't installed")
def test_javascript_is_parsed_by_node_and_never_run() -> None:
    assert fault("javascript", "const a = 1;\nmodule.exports = a;\n", "a.js") == ""
    assert fault("javascript", "import x from 'y';\nexport const a = await x();\n", "a.js") == ""
    assert fault("javascript", "const a = ;\n", "a.js") == "SyntaxError: Unexpected token ';' in line 1"
    assert "Identifier 'a' has already been declared in line 2" in fault(
        "javascript", "let a;\nlet a;\n", "a.js"
    )
    assert fault("javascript", "process.exit(3)", "a.js") == ""
    assert fault("javascript", "const A = () => <b>{1}</b>;", "a.jsx") == ""  # which node doesn't know


def test_without_node_brackets_are_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert fault("javascript", "f(", "a.js") == "“(” in line 1 is never closed"
    assert fault("shell", "if", "a.sh") == ""


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash isn't installed")
def test_shell_is_parsed_and_never_run() -> None:
    assert fault("shell", "exit 3\n", "a.sh") == ""
    assert "syntax error" in fault("shell", "echo a\nif true\n", "a.sh")


def test_what_would_break_the_parser_is_a_fault() -> None:
    assert fault("python", "(" * 100_000, "a.py")
    assert fault("python", "a\0b", "a.py")
    assert fault("json", "[" * 200_000, "a.json")
    assert "longer than" in fault("python", " " * (syntax.LARGEST + 1), "a.py")


def test_a_parser_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    slow = tmp_path / "node"
    slow.write_text("#!/bin/sh\nexec sleep 9\n")
    slow.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(slow))
    monkeypatch.setattr(syntax, "TIMEOUT_S", 0.1)
    assert fault("javascript", "x", "a.js") == "it isn't parsed within 0.1 s"

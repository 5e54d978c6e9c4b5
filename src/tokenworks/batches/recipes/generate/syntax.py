"""Is code what its language allows? Nothing of it is run: it is parsed, here or by what is installed."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import tempfile
import tomllib
import warnings
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from tokenworks.batches.recipes.generate import brackets, markup

LARGEST = 2_000_000  # characters that are parsed
TIMEOUT_S = 20.0  # of a parser that is a program
_MODULE = re.compile(r"^\s*(?:import\b(?!\s*\()|export\b)|^\s*await\b", re.MULTILINE)
_MESSAGE = re.compile(r"^(\w*Error: .*)$", re.MULTILINE)
_WHERE = re.compile(r"^.*?:(\d+)$", re.MULTILINE)
_BASH = re.compile(r"line (\d+): (.*)")


def fault(language: str, code: str, path: str) -> str:
    """What is wrong with ``code`` as the file ``path``, with its line; empty where nothing is found.

    Languages whose compiler isn't here are judged by their brackets, others that we don't know not at all.
    """
    if len(code) > LARGEST:
        return f"it is longer than {LARGEST:,} characters"
    if language == "javascript" and not path.lower().endswith(".jsx") and (node := shutil.which("node")):
        return _node(node, code, path)
    if language == "shell" and (bash := shutil.which("bash")):
        return _bash(bash, code)
    if (parse := _PARSERS.get(language)) is not None:
        return parse(code)
    if language not in brackets.LANGUAGES:
        return ""
    return "it is Python" if is_python(code) else brackets.fault(language, code)


def python_fault(code: str) -> str:
    """What Python's compiler says: more than its parser does, such as a ``return`` outside of a function."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(code, "file", "exec", dont_inherit=True)
    except SyntaxError as error:
        near = _line(code, error.lineno or 0)
        return f"{type(error).__name__}: {error.msg} in line {error.lineno}{near}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"it can't be compiled: {str(error)[:120] or type(error).__name__}"
    return ""


def _line(code: str, number: int) -> str:
    lines = code.splitlines()
    return f": {lines[number - 1].strip()[:120]}" if 0 < number <= len(lines) else ""


def is_python(code: str) -> bool:
    """Does it parse as Python and define or import something? No other language's files do."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    return any(isinstance(node, kinds) for node in tree.body)


def _json(code: str) -> str:
    try:
        json.loads(code)
    except (ValueError, RecursionError) as error:
        return str(error) or "nested too deeply"
    return ""


def _toml(code: str) -> str:
    try:
        tomllib.loads(code)
    except (ValueError, RecursionError) as error:
        return str(error) or "nested too deeply"
    return ""


_PARSERS: dict[str, Callable[[str], str]] = {
    "python": python_fault,
    "json": _json,
    "toml": _toml,
    "html": markup.html_fault,
    "xml": markup.xml_fault,
}


def _node(node: str, code: str, path: str) -> str:
    suffix = PurePosixPath(path).suffix.lower()
    if suffix == ".js" and _MODULE.search(code):
        suffix = ".mjs"
    said = _parsed([node, "--check"], code, suffix)
    if not said:
        return ""
    message, where = _MESSAGE.search(said), _WHERE.search(said)
    what = message.group(1) if message else said.strip().splitlines()[-1]
    return f"{what[:200]}{f' in line {where.group(1)}' if where else ''}"


def _bash(bash: str, code: str) -> str:
    said = _parsed([bash, "--norc", "-n"], code, ".sh")
    found = _BASH.search(said)
    return f"{found.group(2)[:200]} in line {found.group(1)}" if found else said[:200]


def _parsed(command: list[str], code: str, suffix: str) -> str:
    """What a parser complains of; empty where it doesn't."""
    with tempfile.TemporaryDirectory(prefix="tokenworks-syntax-") as folder:
        file = Path(folder) / f"file{suffix}"
        file.write_text(code, encoding="utf-8", errors="replace")
        try:
            done = subprocess.run(
                [*command, str(file)],
                cwd=folder,
                env={"PATH": "/usr/bin:/bin", "HOME": folder},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"it isn't parsed within {TIMEOUT_S:g} s"
    if done.returncode == 0:
        return ""
    return done.stderr[:4000].decode("utf-8", "replace").strip() or f"the parser ended with {done.returncode}"

"""Does the code in the answer parse? Nothing is run."""

from __future__ import annotations

import ast
import re
import warnings

import msgspec

from tokenworks.routing.checks.finding import Answer, Expected, Finding

FENCED = re.compile(r"^ {0,3}```[ \t]*([\w+#.-]*)[^\n]*\n(.*?)^ {0,3}```[ \t]*$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r" {0,3}```[ \t]*([\w+#.-]*)")
PYTHON = {"python", "py", "python3"}
JSON = {"json"}
BRACES = {"c", "cpp", "c++", "java", "javascript", "js", "typescript", "ts", "go", "rust", "rs", "csharp",
          "cs", "kotlin", "swift", "php", "scala", "dart", "css"}  # fmt: skip
PAIRS = {")": "(", "]": "[", "}": "{"}
LARGEST = 20_000  # characters of one block that are parsed: 1 ms of budget is not for more
PROMPT_LINE = re.compile(r"^(?:>>>|\.\.\.|In \[|\$ )", re.MULTILINE)
ELISION = re.compile(r"^\s*(?:#|//)?\s*\.\.\.\s*$", re.MULTILINE)


def blocks(text: str) -> list[tuple[str, str]]:
    """(language, code) of each fenced block; the language is in small letters and may be empty.

    Line by line: a search for pairs of fences takes the square of their number where none is closed.
    """
    found: list[tuple[str, str]] = []
    name: str | None = None
    code: list[str] = []
    for line in text.splitlines(keepends=True):
        mark = _MARK.match(line)
        if name is None:
            if mark is not None:
                name, code = mark[1].lower(), []
        elif mark is not None and line.strip() == "```":
            found.append((name, "".join(code)))
            name = None
        else:
            code.append(line)
    return found


def check(answer: Answer, expected: Expected) -> Finding | None:
    """Fatal where a block of a known language doesn't parse and code was the task, else a doubt."""
    found = [(name, code) for name, code in blocks(answer.text) if len(code) <= LARGEST]
    judged = 0
    for name, code in found:
        problem = fault(name, code)
        if problem is None:
            continue
        if problem:
            return Finding("code", False, expected.task == "code", f"{name}: {problem}")
        judged += 1
    return Finding("code", True) if judged else None


def fault(name: str, code: str) -> str | None:
    """What is wrong with ``code``; empty where nothing is, None where it can't be judged."""
    if name in PYTHON:
        return python_fault(code)
    if name in JSON:
        try:
            msgspec.json.decode(code.encode())
        except msgspec.DecodeError as error:
            return None if ELISION.search(code) or "//" in code else str(error)
        except RecursionError:
            return None
        return ""
    return unbalanced(code) if name in BRACES else None


def python_fault(code: str) -> str | None:
    """As ``fault``. Sessions of an interpreter, and pieces that are indented as a whole, are not judged."""
    if PROMPT_LINE.search(code) or code[:1] in " \t":
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(code)
    except SyntaxError as error:
        return f"{error.msg} in line {error.lineno}"
    except (ValueError, RecursionError, MemoryError):
        return "it can't be parsed"
    return ""


def unbalanced(code: str) -> str:
    """The first bracket or text without its partner; comments and texts are skipped."""
    stack: list[str] = []
    for token in TOKENS.finditer(code):
        sign = token.group()
        if sign in "([{":
            stack.append(sign)
        elif sign in ")]}" and (not stack or stack.pop() != PAIRS[sign]):
            return f"“{sign}” without “{PAIRS[sign]}”"
    return f"“{stack[-1]}” is never closed" if stack else ""


TOKENS = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|'(?:\\.|[^'\\\n])*'|[()\[\]{}]""", re.DOTALL
)

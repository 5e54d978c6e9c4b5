"""Does the code parse?"""

from __future__ import annotations

import time

import pytest

from tokenworks.routing.checks.code import blocks, check, unbalanced
from tokenworks.routing.checks.finding import Answer, Expected


def fenced(name: str, code: str) -> Answer:
    return Answer(f"Here it is:\n```{name}\n{code}\n```\nDone.")


@pytest.mark.parametrize(
    ("name", "code", "ok"),
    [
        ("python", "def f(x):\n    return x + 1", True),
        ("python", "def f(x)\n    return x", False),
        ("py", "print('a'", False),
        ("json", '{"a": [1, 2]}', True),
        ("json", '{"a": [1, 2}', False),
        ("js", "const f = (a) => { return `${a}` + ')'; } // (", True),
        ("js", "function f() { return [1, 2; }", False),
        ("rust", "fn main() { println!(\"{}\", 'x'); }", True),
        ("c", "int main() { /* ( */ return 0;", False),
    ],
)
def test_blocks_of_known_languages(name: str, code: str, ok: bool) -> None:
    found = check(fenced(name, code), Expected(task="code"))
    assert found is not None
    assert found.ok is ok
    assert found.fatal is not ok


@pytest.mark.parametrize(
    "answer",
    [
        fenced("python", ">>> 1 + 1\n2"),
        fenced("text", "((("),
        fenced("python", "    return x"),
        fenced("json", '{"a": 1}  // a comment'.replace("}  ", ", ...}  ")),
        Answer("no code"),
    ],
)
def test_what_cannot_be_judged_says_nothing(answer: Answer) -> None:
    assert check(answer, Expected(task="code")) is None


def test_a_broken_block_beside_another_task_is_a_doubt() -> None:
    found = check(fenced("python", "def f(:"), Expected(task="chat"))
    assert found is not None and not found.ok and not found.fatal


def test_fences_without_an_end_take_no_time() -> None:
    started = time.process_time()
    assert blocks("```py\nx\n" * 4000) == []
    assert time.process_time() - started < 1.0  # a search for pairs takes ten seconds
    assert blocks("```py\nx = '```'\n```\n  ```\n ```") == [("py", "x = '```'\n"), ("", "")]


def test_nothing_is_run_and_nothing_deep_breaks_it() -> None:
    assert check(fenced("python", "raise SystemExit(9)"), Expected()) is not None
    assert check(fenced("python", "(" * 5000 + ")" * 5000), Expected()) is not None
    assert blocks("```a\nx\n```\n```\ny\n```") == [("a", "x\n"), ("", "y\n")]
    assert unbalanced("a)") and not unbalanced('"(" + (b)')

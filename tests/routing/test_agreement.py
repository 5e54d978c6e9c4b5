"""Do two answers say the same?"""

from __future__ import annotations

import pytest

from tokenworks.routing.agreement import agree, pattern, similarity


@pytest.mark.parametrize(
    ("one", "other", "task", "judged"),
    [
        ("It is so.\n#### 42", "We get \\boxed{42.0}", "math", 1.0),
        ("The answer is (B).", "B", "knowledge", 1.0),
        ("The answer is (B).", "The answer is (C).", "knowledge", 0.0),
        ('{"a": 1, "b": [1.0]}', '{"b": [1], "a": 1}', "extraction", 1.0),
        ('{"a": 1}', '{"a": true}', "extraction", 0.0),
        ('{"a": [1, 2]}', '{"a": [2, 1]}', "", 0.0),
        ("Hello,  World!", "hello world", "chat", 1.0),
        ("", "x", "chat", None),
        ("A poem of the sea.", "A poem of the sky.", "writing", None),
    ],
)
def test_by_kind_of_answer(one: str, other: str, task: str, judged: float | None) -> None:
    assert agree(one, other, task) == judged
    assert agree(other, one, task) == judged


def code(text: str) -> str:
    return f"```python\n{text}\n```"


def test_code_agrees_by_its_tree_and_never_proves_that_it_differs() -> None:
    one = code('def f(a, b):\n    """Adds."""\n    total = a + b  # both\n    return total')
    other = code("def f(x, y):\n    s = x + y\n    return s")
    assert agree(one, other, "code") == 1.0
    assert agree(one, code("def f(x, y):\n    return y + x"), "code") is None
    assert agree(one, code("def f(x, y):\n    s = x - y\n    return s"), "code") is None


def test_prose_by_vectors_where_they_are_given() -> None:
    vectors = {"long one": [1.0, 0.0], "long two": [0.6, 0.8], "void": [0.0, 0.0]}
    assert agree("long one", "long two", "writing", vectors.__getitem__) == pytest.approx(0.6)
    assert agree("long one", "void", "writing", vectors.__getitem__) is None
    assert similarity([1.0], [-1.0]) == 0.0


def test_who_agrees_with_whom() -> None:
    assert pattern(["#### 1", "#### 2", "#### 1"], "math") == "ABA"
    assert pattern(["#### 1", "#### 1"], "math") == "AA"
    assert pattern(["", "", ""], "math") == "ABC", "an answer that isn't there agrees with nobody"

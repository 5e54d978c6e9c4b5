"""The final answer of a text."""

from __future__ import annotations

import pytest

from tokenworks.routing.extracted import canonical, final, numeric


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("We add them.\n#### 1,234", "1,234"),
        ("So it is \\boxed{\\frac{1}{2}}. Nice.", "\\frac{1}{2}"),
        ("First \\boxed{1}, no: \\boxed{2}", "2"),
        ("Thinking... The answer is (C).", "(C)"),
        ("**Final Answer: 42**", "42"),
        ("Long words.\n\nAnswer:\n7 apples", "7 apples"),
        ("因此，答案是：12。", "12"),
        ("Step 1\nStep 2\n17", "17"),
        ("17", "17"),
        ("", None),
        (
            "This is a long sentence in which nothing comes out as a final answer to anything at all.",
            None,
        ),
    ],
)
def test_where_the_answer_stands(text: str, answer: str | None) -> None:
    assert final(text) == answer


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1,234.0", "1234"),
        ("$5", "5.00"),
        ("50%", "50"),
        ("(C)", "C."),
        ("C) because of this", "c"),
        ("\\frac{1}{2}", "0.5"),
        ("\\dfrac{x}{2}", "\\frac{x}{2}"),
        ("\\text{Paris}", "paris"),
        ("x + 1", "x+1"),
    ],
)
def test_spellings_of_the_same(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(("one", "other"), [("1.5", "15"), ("A", "B"), ("-3", "3"), ("x+1", "x-1")])
def test_others_stay_apart(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


def test_only_numbers_are_numbers() -> None:
    assert numeric("1e3") == 1000
    assert numeric("1/4") == 0.25
    assert numeric("1/0") is None
    assert numeric("3 apples") is None

"""All checks together."""

from __future__ import annotations

import time

import pytest

from tokenworks.routing.checks import Answer, Expected, run

GOOD = "The capital of France is Paris. It is on the Seine, and that is where it has been for a long time."


def failed(answer: Answer, expected: Expected | None = None) -> list[str]:
    return [f.check for f in run(answer, expected or Expected()) if not f.ok]


def test_a_good_answer_passes_everything() -> None:
    assert (
        failed(Answer(GOOD), Expected("What is the capital of France? Tell me in one sentence or two.")) == []
    )


@pytest.mark.parametrize(
    ("answer", "check"),
    [
        (Answer("  \n"), "emptiness"),
        (Answer(GOOD, finish="length"), "truncation"),
        (Answer("I'm sorry, but I can't help with that."), "refusal"),
        (Answer("The answer is that " * 60), "repetition"),
        (Answer("```python\ndef f(:\n```"), "code"),
    ],
)
def test_each_fault_is_found_by_its_check(answer: Answer, check: str) -> None:
    assert failed(answer) == [check]


def test_tool_calls_alone_have_no_text_to_check() -> None:
    assert failed(Answer("", tool_calls=1), Expected(json=True)) == []
    assert failed(Answer("", "length", tool_calls=1)) == ["truncation"]


def test_usual_answers_take_no_more_than_a_moment() -> None:
    """CPU time of one answer of 4 KB, the best of five; generous, for a busy machine."""
    answer = Answer("\n".join(f"{i}. {GOOD} And {i} more things are to be said of it." for i in range(30)))
    best = 1.0
    for _ in range(5):
        start = time.process_time()
        run(answer, Expected("Tell me everything about Paris, please. What is there to see for us?"))
        best = min(best, time.process_time() - start)
    assert best < 0.02

"""Types of tasks, on prompts that were written for this test."""

from collections import Counter
from pathlib import Path

import pytest

from tokenworks.routing.features import normalise
from tokenworks.routing.task import TASKS, best, scores, task_of

PROMPTS = Path(__file__).with_name("task_prompts.txt").read_text("utf-8")
CASES = [line.split("|", 1) for line in PROMPTS.strip().splitlines()]
LEAST = 0.92  # of all prompts


def test_most_prompts_are_told_right() -> None:
    wrong = [(task, got, text) for task, text in CASES if (got := task_of(normalise(text))[0]) != task]
    assert 1 - len(wrong) / len(CASES) >= LEAST, wrong


def test_every_task_is_tried_and_mostly_found() -> None:
    tried = Counter(task for task, _ in CASES)
    found = Counter(task for task, text in CASES if task_of(normalise(text))[0] == task)
    assert set(tried) == set(TASKS)
    assert all(found[task] >= 0.75 * tried[task] for task in TASKS), found


@pytest.mark.parametrize("text", ["", "x", "💥", "...", "1"])
def test_nothing_telling_is_chat(text: str) -> None:
    assert task_of(normalise(text))[0] == "chat"


def test_the_share_grows_with_what_speaks_for_a_task() -> None:
    weak, strong = (task_of(normalise(t))[1] for t in ("some code", "Debug this Python code: def f(): pass"))
    assert 0 < weak < strong <= 1


def test_the_best_is_a_softmax() -> None:
    assert best({"math": 0.0, "code": 0.0, "chat": 0.0}) == ("chat", pytest.approx(1 / 3))


def test_typed_differently_is_the_same_task() -> None:
    text = "Translate the following sentence into German: The weather is lovely."
    assert scores(normalise(text)) == scores(normalise(text.upper().replace(" ", "  ")))

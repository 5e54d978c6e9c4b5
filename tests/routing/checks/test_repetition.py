"""Does the answer run in a loop?"""

from __future__ import annotations

import random

import pytest

from tokenworks.routing.checks.finding import Answer, Expected
from tokenworks.routing.checks.repetition import check, loop

WORDS = [f"word{i}" for i in range(300)]
PROSE = " ".join(random.Random(1).choices(WORDS, k=200))


@pytest.mark.parametrize(
    "piece", ["I think so. ", "and then we add the two numbers again, which gives us\n", "abc"]
)
def test_a_loop_at_the_end_is_fatal(piece: str) -> None:
    found = check(Answer(PROSE + piece * 60), Expected())
    assert found is not None and not found.ok and found.fatal


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        PROSE + "\n" + "=" * 200,
        PROSE + "\n" + "-" * 100,
        "\n".join(f"| {i} | {i * i} | {WORDS[i]} |" for i in range(60)),
        PROSE + " ha ha ha",
    ],
)
def test_tables_rules_and_prose_are_none(text: str) -> None:
    found = check(Answer(text), Expected())
    assert found is None or found.ok, found


def test_few_lines_or_words_again_and_again_are_a_doubt() -> None:
    lines = "\n".join(
        [*random.Random(2).choices(["the first line of it", "the second one"], k=40), "the end"]
    )
    found = check(Answer(lines), Expected())
    assert found is not None and not found.ok and not found.fatal
    words = " ".join(random.Random(3).choices(WORDS[:10], k=300))
    found = check(Answer(words), Expected())
    assert found is not None and not found.ok and not found.fatal


def test_the_length_of_a_loop() -> None:
    assert loop("x" * 10 + "abcdefghij" * 20) == 10
    assert loop("no loop at all in here, none") == 0

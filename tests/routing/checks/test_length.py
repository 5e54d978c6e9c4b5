"""Is the answer as long as it was asked to be?"""

from __future__ import annotations

import pytest

from tokenworks.routing.checks.finding import Answer, Expected
from tokenworks.routing.checks.length import check, count


@pytest.mark.parametrize(
    ("prompt", "words", "ok"),
    [
        ("Write at least 100 words on cats.", 120, True),
        ("Write at least 100 words on cats.", 20, False),
        ("Write at least 100 words on cats.", 900, True),
        ("Answer in 50 words.", 45, True),
        ("Answer in 50 words.", 400, False),
        ("Use no more than 20 words", 90, False),
        ("Use no more than 20 words", 1, True),
    ],
)
def test_far_from_what_was_asked_is_a_doubt(prompt: str, words: int, ok: bool) -> None:
    found = check(Answer("cat " * words), Expected(prompt))
    assert found is not None
    assert found.ok is ok and not found.fatal


def test_nothing_asked_or_several_things_say_nothing() -> None:
    assert check(Answer("cat"), Expected("Tell me of cats.")) is None
    assert check(Answer("cat"), Expected("at least 5 words of this, exactly 3 sentences of that")) is None


def test_what_is_counted() -> None:
    assert count("One. Two! Three?", "sentence") == 3
    assert count("a\n\nb\n \nc", "paragraph") == 3
    assert count("我喜欢猫", "word") == 4

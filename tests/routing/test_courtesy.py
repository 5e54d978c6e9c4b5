"""Courtesies go, what is asked stays."""

import pytest

from tokenworks.routing.courtesy import to_the_point


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("hi! can you help me? how many pears are left?", "how many pears are left?"),
        ("please answer: how many are left? thank you in advance.", "how many are left?"),
        ("hello there, i need help with this. why? please answer. thanks!", "why?"),
        ("which is red? a. grass b. blood thanks!", "which is red? a. grass b. blood"),
        ("你好，请翻译这句话。谢谢！", "请翻译这句话。"),
        (f"{'long ' * 100}text. thanks", f"{'long ' * 100}text."),
    ],
)
def test_courtesies_are_left_out(text: str, point: str) -> None:
    assert to_the_point(text) == point


@pytest.mark.parametrize(
    "text",
    [
        *("", "hi", "hello!", "thanks!", "translate: thank you.", "how do you say thank you?"),
        *("hello world in rust", "history of england", "please the crowd", "questions: none", "a high five."),
        "say hi, then thank you, then go",
    ],
)
def test_what_is_asked_stays(text: str) -> None:
    assert to_the_point(text) == text

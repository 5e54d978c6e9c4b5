"""What comes into a data set, what stays out and why, and that nothing of the test side was trained on."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from captured import captured

from tokenworks.routing.study.distilled import (
    RELATED,
    Example,
    Filters,
    asked,
    digest,
    example,
    related,
    script,
    select,
    why_not,
)
from tokenworks.routing.study.neighbours import likeness, signature

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
NOUNS = ["river", "engine", "violin", "market", "desert", "lantern", "orchard", "cable", "planet", "ladder"]


def one(number: int = 1, *text: str, score: float | None = None, **more: Any) -> Example:
    return example(captured(number, *text, **more), score)


def questions(count: int) -> list[Example]:
    dice = random.Random(3)
    texts = [" ".join(dice.choices(NOUNS, k=30)) + f" {number}" for number in range(count)]
    return [one(number, text) for number, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, ""),
        ({"consent": "key"}, ""),
        ({"consent": "all"}, "no consent of whoever asked"),
        ({"consent": ""}, "no consent of whoever asked"),
        ({"model": "openai/gpt-4o"}, "the teacher's terms forbid it"),
        ({"license": {"state": "forbidden"}}, "the teacher's terms forbid it"),
        ({"model": "acme/fast"}, "the teacher's terms are not known"),
        ({"media": 1}, "pictures or files"),
        ({"finish": "length"}, "the answer was cut off"),
        ({"finish": "error"}, "the answer did not end well"),
        ({"finish": "refusal"}, "refused"),
        ({"refusal": "No."}, "refused"),
        ({"answer": "I'm sorry, but I can't help with that."}, "refused"),
        ({"answer": "I cannot assist with this request."}, "refused"),
        ({"answer": "I'm happy to help: sorry is a word."}, ""),
        ({"answer": " \n"}, "no answer"),
        ({"answer": " ", "tool_calls": [CALL], "finish": "tool_calls"}, ""),
        ({"checks": {"json": True, "language": False}}, "a check failed"),
        ({"checks": {"json": False}, "score": 1.0}, ""),
        ({"right": 0.89}, "not sure enough"),
        ({"right": 0.2, "score": 0.9}, ""),
        ({"right": 0.2, "score": 0.7}, "not sure enough"),
        ({"right": 0.99, "score": 0.5}, "bad feedback"),
        ({"answer": "x" * 50_000}, "too long"),
        ({"messages": [{"role": "system", "content": "s"}]}, "turns in an odd order"),
        (
            {"messages": [{"role": "assistant", "content": "hi"}, {"role": "user", "content": "x"}]},
            "turns in an odd order",
        ),
    ],
)
def test_why_something_is_left_out(more: dict[str, Any], reason: str) -> None:
    assert why_not(one(**more), Filters()) == reason


def test_filters_can_be_changed() -> None:
    unknown = one(model="acme/fast")
    assert why_not(unknown, Filters(allowed=("acme/*",))) == ""
    assert why_not(unknown, Filters(enforce_distillable=False)) == ""
    assert why_not(one(model="openai/gpt-4o"), Filters(allowed=("acme/*",))) != ""
    assert why_not(one(consent="all"), Filters(any_consent=True)) == ""
    assert why_not(one(consent=""), Filters(any_consent=True)) != "", "nobody's consent is none"
    assert why_not(one(), Filters(teachers=("qwen/*",))) == "another teacher"
    assert why_not(one(), Filters(tasks=("code", "math"))) == "another type of task"
    assert why_not(one(), Filters(tasks=("extract*",))) == ""
    assert why_not(one(right=0.4), Filters(min_right=0.3)) == ""


def test_what_can_not_be_read_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="gen-0001"):
        example(msgspec.structs.replace(captured(1), body=b"no zlib"))
    with pytest.raises(ValueError, match="gen-0001"):
        one(messages=5)


def test_of_the_same_prompt_the_surest_answer_is_taken() -> None:
    first, second, third = (
        one(1, "Extract  the names", "weak", right=0.91),
        one(2, "extract the NAMES", "strong", right=0.99),
        one(3, "Extract the names", "praised", right=0.92, score=1.0),
    )
    found = select([first, second], Filters())
    assert [each.answer for each in (*found.train, *found.test)] == ["strong"]
    assert found.dropped == {"the same prompt": 1}
    found = select([third, first, second], Filters())
    assert [each.answer for each in (*found.train, *found.test)] == ["praised"]


def test_nearly_the_same_prompt_is_taken_once_but_another_turn_is_another_example() -> None:
    long = " ".join(random.Random(1).choices(NOUNS, k=60))
    near = [one(1, f"{long} one"), one(2, f"{long} two")]
    assert len(select(near, Filters(), lambda _: None).train) == 1
    turns = [
        {"role": "user", "content": long},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": "go on"},
    ]
    found = select([one(1, long), one(2, messages=turns)], Filters(train_share=0.5))
    assert len(found.train) + len(found.test) == 2
    assert found.clusters == 1, "but they are never on both sides"


def test_nothing_related_is_on_both_sides() -> None:
    dice = random.Random(5)
    families = [dice.choices(NOUNS, k=25) + [f"f{n}"] * 3 for n in range(30)]
    examples = [
        one(number * 10 + turn, " ".join([*family, *dice.choices([f"w{n}" for n in range(500)], k=5)]))
        for number, family in enumerate(families)
        for turn in range(4)
    ]
    found = select(examples, Filters(train_share=0.7))
    assert found.train and found.test
    sides = [[(each, signature(asked(each))) for each in side] for side in (found.train, found.test)]
    nearest = max(likeness(a, b) for _, a in sides[0] for _, b in sides[1])
    assert nearest < RELATED, "estimated over all pairs, not only those that met"
    assert len(found.train) + len(found.test) > 100, "they are related, not the same"


def test_the_split_is_stable_about_its_share_and_never_one_sided() -> None:
    examples = questions(300)
    found = select(examples, Filters(train_share=0.8))
    assert 0.7 < len(found.train) / 300 < 0.9
    held = {each.id for each in found.test}
    later = select(
        [*examples, *(one(1000 + n, f"quite another {n} {n * n}") for n in range(50))],
        Filters(train_share=0.8),
    )
    assert held <= {each.id for each in later.test}, "what was held out stays held out"
    for count in (2, 3, 5):
        few = select(examples[:count], Filters(train_share=0.99))
        assert few.train and few.test
        few = select(examples[:count], Filters(train_share=0.01))
        assert few.train and few.test
    assert select(examples[:5], Filters(train_share=1)).test == []
    assert len(select(examples[:1], Filters()).train) + len(select(examples[:1], Filters()).test) == 1


def test_any_order_gives_the_same_selection() -> None:
    examples = [*questions(60), *(one(500 + n, "the same", right=0.9 + n / 100) for n in range(5))]
    first = select(examples, Filters(max_rows=30))
    random.Random(2).shuffle(examples)
    assert select(examples, Filters(max_rows=30)) == first
    assert len(first.train) + len(first.test) == 30
    assert first.dropped["more rows than asked for"] == 31
    assert first.seen == 65


def test_progress_is_told() -> None:
    told: list[int] = []
    select(questions(3), Filters(), told.append)
    assert told == [1, 2, 3]


def test_related_joins_the_turns_of_a_conversation() -> None:
    opening = {"role": "user", "content": "My house has three rooms"}
    later = one(
        2, messages=[opening, {"role": "assistant", "content": "a"}, {"role": "user", "content": "And a cat"}]
    )
    assert related([one(1, "something else altogether"), one(3, "my  house has THREE rooms"), later]) == [
        0,
        1,
        1,
    ]


def test_digest_and_script() -> None:
    assert digest(one(1, "A b")) == digest(one(2, " a  B ")) != digest(one(1, "A c"))
    system = [{"role": "system", "content": "x"}, {"role": "user", "content": "A b"}]
    assert digest(one(messages=system)) != digest(one(1, "A b"))
    assert script(one(1, "Hello", "there")) == "latin"
    assert script(one(1, "Привет мир", "да")) == "cyrillic"
    assert script(one(1, "123", "4")) == "none"

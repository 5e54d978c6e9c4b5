"""When two steps are the same."""

from random import Random

import pytest
from agents import prose

from tokenworks.plans.loops.step import Call, Step


def step(*calls: tuple[str, str], results: tuple[str, ...] = ("r",), text: str = "", asked: str = "") -> Step:
    return Step(text, [Call(*call) for call in calls], list(results), asked)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a":1,"b":[1,2]}', ' { "b" : [ 1 , 2 ] , "a" : 1 } '),
        ('{"a":{"x":1,"y":null}}', '{"a":{"y":null,"x":1}}'),
        ('{"a":"\\u00e9"}', '{"a":"é"}'),
        ("", "{}"),
        ("not json  at all", "not json at all"),
        (f'{{"a":{"9" * 400}}}', f'{{"a":{"9" * 400}}}'),
        ('{"a":"\\ud800"}', '{"a":"\\ud800"}'),
        ("[" * 9000, "[" * 9000),
    ],
)
def test_arguments_are_compared_by_what_they_mean(one: str, other: str) -> None:
    assert Call("f", one).canonical() == Call("f", other).canonical()
    assert Call("f", one.encode()).canonical() == Call("f", other).canonical()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a":1}', '{"a":2}'),
        ('{"a":"x y"}', '{"a":"x  y"}'),
        ('{"a":[1,2]}', '{"a":[2,1]}'),
        ('{"a":1}', '{"a":"1"}'),
        ("{}", '{"a":null}'),
    ],
)
def test_other_arguments_are_another_call(one: str, other: str) -> None:
    assert Call("f", one).canonical() != Call("f", other).canonical()


def test_a_name_can_not_hide_in_the_arguments() -> None:
    assert Call("f", '"g"').canonical() != Call('f"g"', "").canonical()


SAME = step(("f", '{"a":1}'), ("g", "{}"), results=("1", "2"), text="Now I look.", asked="Go on")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (step(("g", ""), ("f", '{"a": 1}'), results=("2", "1"), text="Other words.", asked=" go  ON "), True),
        (step(("g", "{}"), results=("1", "2"), asked="go on"), False),
        (step(("f", '{"a":1}'), ("f", "{}"), results=("1", "2"), asked="go on"), False),
        (step(("f", '{"a":2}'), ("g", "{}"), results=("1", "2"), asked="go on"), False),
        (step(("f", '{"a":1}'), ("g", "{}"), results=("1", "3"), asked="go on"), False),
        (step(("f", '{"a":1}'), ("g", "{}"), results=("1",), asked="go on"), False),
        (step(("f", '{"a":1}'), ("g", "{}"), results=("1", "2"), asked="stop"), False),
    ],
)
def test_a_step_is_its_calls_and_what_they_were_answered(other: Step, same: bool) -> None:
    for loosely in (False, True):
        assert SAME.same(other, loosely) is same
        assert other.same(SAME, loosely) is same


def test_without_calls_it_is_its_text() -> None:
    said = step(results=(), text="I am  Sorry.", asked="continue")
    assert said.same(step(results=(), text="i am sorry.", asked="Continue"), loosely=False)
    assert not said.same(step(results=(), text="I was sorry.", asked="continue"), loosely=True)


def test_what_is_volatile_counts_unless_it_is_looked_at_loosely() -> None:
    one = step(("f", "{}"), results=("failed in 1.5s",), asked="it is 10:00:00")
    other = step(("f", "{}"), results=("failed in 2.5s",), asked="it is 10:00:09")
    assert one.same(other, loosely=True)
    assert not one.same(other, loosely=False)
    assert (one.lasted_s, other.lasted_s) == (1.5, 2.5)


@pytest.mark.parametrize(
    ("call", "waits"),
    [
        (("check_status", '{"job":1}'), True),
        (("WaitForJob", "{}"), True),
        (("bash", '{"command":"sleep 60"}'), True),
        (("bash", '{"command":"ls"}'), False),
        (("write_file", '{"text":"%s sleep"}' % ("x" * 300)), False),
        (("read_file", ""), False),
    ],
)
def test_waiting_is_told_by_names_and_short_arguments(call: tuple[str, str], waits: bool) -> None:
    assert step(call).waits is waits


def test_old_sentences_in_another_order_are_nothing_new() -> None:
    dice = Random(1)
    sentences = [prose(dice, 9) for _ in range(6)]
    before = [" ".join(sentences), prose(dice, 50)]
    assert step(text=" ".join(reversed(sentences))).stood_in(before)
    assert step(text=f"Attempt 7: {sentences[3]}").stood_in(before)
    assert not step(text=prose(dice, 60)).stood_in(before)
    assert not step(text=f"{sentences[0]} {prose(dice, 9)}").stood_in(before)
    assert step(text=" ".join([*sentences * 9, prose(dice, 20)])).stood_in(before)
    assert not step(text=" ".join([*sentences, *[prose(dice, 20)] * 9])).stood_in(before)


@pytest.mark.parametrize(
    ("text", "before", "known"),
    [
        ("Yes", ["yes, sir"], True),
        ("Yes", [], False),
        ("我很抱歉，我会再检查一次文件。", ["好的。我很抱歉，我会再检查一次文件。"], True),
        ("现在我来修改第二个函数并运行测试。", ["我很抱歉，我会再检查一次文件。"], False),
    ],
)
def test_short_texts_and_languages_without_spaces(text: str, before: list[str], known: bool) -> None:
    assert step(text=text).stood_in(before) is known

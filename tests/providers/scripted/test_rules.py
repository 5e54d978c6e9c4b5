from typing import Any

import pytest

from tokenworks.providers.scripted.reply import Reply, When
from tokenworks.providers.scripted.request import Ask, WireName
from tokenworks.providers.scripted.rules import ECHO, Rules, dice, holds
from tokenworks.providers.scripted.script import Script


def ask(wire: WireName = "openai_chat", headers: dict[str, str] | None = None, **body: Any) -> Ask:
    return Ask(1, wire, "/v1/x", headers or {}, body)


@pytest.mark.parametrize(
    ("when", "request_", "expected"),
    [
        (When(), ask(model="any"), True),
        (When(model="fast-*"), ask(model="fast-1"), True),
        (When(model="fast-*"), ask(model="slow-1"), False),
        (When(wire="openai_responses"), ask(), False),
        (When(), ask("models"), False),
        (When(wire="models"), ask("models"), True),
        (When(stream=True), ask(stream=True), True),
        (When(stream=False), ask(stream=True), False),
        (When(header="X-Test"), ask(headers={"x-test": "1"}), True),
        (When(header="x-test: a*"), ask(headers={"x-test": "abc"}), True),
        (When(header="x-test: a*"), ask(headers={"x-test": "xyz"}), False),
        (When(header="x-test"), ask(), False),
        (When(says="weather"), ask(messages=[{"role": "user", "content": "the weather?"}]), True),
        (When(says="weather"), ask(messages=[{"role": "assistant", "content": "weather"}]), False),
    ],
)
def test_conditions(when: When, request_: Ask, expected: bool) -> None:
    assert holds(when, request_) is expected


def test_the_first_rule_that_applies_is_taken_and_counts() -> None:
    rules = Rules(
        Script(
            reply=(
                Reply(When(model="a", nth=2), text="second a"),
                Reply(When(model="a", nth=(1, 3)), text="other a"),
                Reply(When(every=3), text="each third"),
            )
        )
    )
    chosen = [rules.choose(ask(model=model))[0] for model in "aabbab"]
    # a1: rule 0 is met once but waits for its second; rule 1 takes it. b2 is the first that gets to rule 2.
    assert chosen == [1, 0, None, None, 2, None]
    assert rules.choose(ask(model="b"))[1] is ECHO
    rules.reset()
    assert rules.choose(ask(model="a"))[0] == 1


def test_dice_repeat_and_differ_between_requests() -> None:
    assert dice(1, 5).random() == dice(1, 5).random()
    assert len({dice(seed, n).random() for seed in (0, 1) for n in range(100)}) == 200

"""Rules as they are kept: read as they were written, and nothing unknown is taken for a rule."""

from __future__ import annotations

import pytest

from tokenworks.plans.rules import NO_RULES, LoopRules, Rules, read, write

FULL = Rules(
    models=("acme/*", "!acme/dear"),
    providers=("acme",),
    clients=("editor/*",),
    hours=("Mon-Fri 09:00-18:00",),
    timezone="Europe/Berlin",
    max_input_tokens=1000,
    max_output_tokens=100,
    max_input_mtok=1.5,
    max_output_mtok=0.0,
    private=True,
    loops=LoopRules(iterations=30, spend_usd=0.5, wall_clock_s=60.0, repeats=5, stale_turns=10),
)


@pytest.mark.parametrize("rules", [NO_RULES, FULL, Rules(max_output_mtok=0.0), Rules(loops=LoopRules())])
def test_they_are_read_as_they_were_written(rules: Rules) -> None:
    assert read(write(rules)) == rules


def test_no_rules_are_no_text() -> None:
    assert write(NO_RULES) == write(Rules()) == "" and read("") is NO_RULES
    assert write(Rules(models=("a",))) == '{"models":["a"]}'
    assert write(Rules(private=False)) == '{"private":false}', "said, and not the same as nothing"


@pytest.mark.parametrize(
    "text", ["nonsense", "[]", '{"model":["a"]}', '{"models":"a"}', '{"loops":{"steps":1}}', '{"hours":[1]}']
)
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read(text)

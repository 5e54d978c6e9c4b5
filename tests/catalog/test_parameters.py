"""What a model can do, met with what its provider passes on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.catalog.parameters import (
    COMMON,
    ENGINE,
    FEATURES,
    GROUPS,
    SAMPLING,
    VOCABULARY,
    Traits,
    honoured,
    understood,
)

LEARNT = {field for fields in FEATURES.values() for field in fields}
some_traits = st.builds(
    Traits,
    st.lists(st.sampled_from(sorted(FEATURES)), unique=True).map(tuple),
    st.lists(st.sampled_from([*VOCABULARY, *GROUPS]), max_size=3).map(tuple),
)
some_fields = st.lists(st.sampled_from(VOCABULARY), min_size=1, unique=True).map(tuple)


def test_the_words_are_consistent() -> None:
    assert len(VOCABULARY) == len(set(VOCABULARY))
    assert {*LEARNT, *SAMPLING, *COMMON, *ENGINE} <= set(VOCABULARY)
    assert not set(GROUPS) & set(VOCABULARY)
    assert not set(COMMON) & LEARNT


@pytest.mark.parametrize(
    ("traits", "passed", "without", "constrained", "found"),
    [
        (None, ("tools",), (), False, None),
        (Traits(("tools",)), (), (), False, None),  # a provider of which nothing is known
        (Traits(()), ("tools", "seed"), (), False, ("seed",)),
        (Traits(("tools",)), ("seed", "tools", "tool_choice"), (), False, ("tools", "tool_choice", "seed")),
        (Traits(("tools",)), ("tools",), (), False, ("tools",)),  # not tool_choice: it is not passed on
        (Traits(("tools", "reasoning")), ("temperature",), (), False, ("temperature",)),
        (Traits((), ("sampling",)), ("temperature", "top_k", "stop", "logprobs"), (), False, ("stop",)),
        (Traits((), ("stop",)), ("temperature", "stop"), (), False, ("temperature",)),
        (Traits(()), ("temperature", "stop"), ("sampling",), False, ("stop",)),
        (Traits(()), ("structured_outputs", "response_format"), (), False, ("response_format",)),
        (Traits(()), ("structured_outputs",), (), True, ("structured_outputs",)),
        (Traits(()), ("structured_outputs",), ("structured_outputs",), True, ()),
        (Traits(()), ("seed",), (), True, ("seed",)),  # constraining adds nothing that is not passed on
    ],
)
def test_honoured(
    traits: Traits | None,
    passed: tuple[str, ...],
    without: tuple[str, ...],
    constrained: bool,
    found: tuple[str, ...] | None,
) -> None:
    assert honoured(traits, passed, without, constrained=constrained) == found


def test_understood() -> None:
    assert understood(Traits(())) == ("max_tokens", "temperature", "top_p", "stop")
    assert understood(Traits(("structured_outputs", "effort"), ("sampling",))) == (
        "structured_outputs",
        "response_format",
        "reasoning_effort",
        "max_tokens",
        "stop",
    )


@given(traits=some_traits, passed=some_fields, without=some_fields, constrained=st.booleans())
def test_never_more_than_both_allow(
    traits: Traits, passed: tuple[str, ...], without: tuple[str, ...], constrained: bool
) -> None:
    found = honoured(traits, passed, without, constrained=constrained)
    assert found is not None
    assert set(found) <= set(passed) - set(without)
    able = {field for feature in traits.features for field in FEATURES[feature]}
    extra = {"structured_outputs"} if constrained else set()
    assert set(found) & LEARNT <= able | extra
    assert list(found) == sorted(found, key=VOCABULARY.index)

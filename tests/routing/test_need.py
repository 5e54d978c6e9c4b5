"""A need is a value: what is not said means no wish."""

from __future__ import annotations

from tokenworks.routing.need import Need


def test_defaults_ask_for_nothing() -> None:
    need = Need(input_tokens=3, now=1.0, draw=lambda: 0.25)
    assert (need.max_output_tokens, need.parameters, need.modalities) == (None, frozenset(), frozenset())
    assert need.draw() == 0.25

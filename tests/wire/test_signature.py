"""Opaque reasoning goes over a foreign wire and comes back whose it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.wire.signature import MESSAGES, RESPONSES, sealed, unsealed

OPAQUE = st.from_regex(r"[A-Za-z0-9+/_=-]+", fullmatch=True)


@given(OPAQUE, st.sampled_from([MESSAGES, RESPONSES, "MiniMax-response-v1", "xai-responses-v12"]))
def test_what_was_sealed_comes_back(opaque: str, format: str) -> None:
    for own in (MESSAGES, RESPONSES):
        assert unsealed(sealed(opaque, format, own), own) == (opaque, format)


def test_the_own_maker_gets_what_he_gave() -> None:
    assert sealed("c2ln", MESSAGES, MESSAGES) == "c2ln"
    assert sealed("c2ln", "", MESSAGES) == "c2ln", "unknown: as it came"
    assert sealed("", RESPONSES, MESSAGES) == ""
    assert sealed("gAAA", RESPONSES, MESSAGES) == "openai-responses-v1:gAAA"


@pytest.mark.parametrize("opaque", ["c2ln", "a-v:b", "-v1:b", "http://x", "1:2"])
def test_what_is_not_sealed_is_the_own_makers(opaque: str) -> None:
    assert unsealed(opaque, MESSAGES) == (opaque, MESSAGES)


def test_nothing_is_nobodys() -> None:
    assert unsealed("", MESSAGES) == ("", "")

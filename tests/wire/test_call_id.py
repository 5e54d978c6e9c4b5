"""Ids of tool calls: the call's and its result's are changed alike."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from tokenworks.wire.call_id import plain, shortened


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_plain_ids_have_letters_digits_and_dashes_only(call_id: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9_-]+", plain(call_id))
    assert plain(plain(call_id)) == plain(call_id)


def test_plain_ids_stay_what_they_are() -> None:
    assert plain("toolu_01-A") == "toolu_01-A"
    assert plain("functions.Read:0") == "functions_Read_0"


def test_long_names_become_hashes_that_differ() -> None:
    short, long, other = "x" * 40, "x" * 41, "x" * 42
    assert shortened(short, 40) == short
    assert len(shortened(long, 40)) == 40
    assert shortened(long, 40) == shortened(long, 40) != shortened(other, 40)
    assert len(shortened("y" * 300, 64)) == 64
    assert len(shortened("y" * 300, 256)) == 64

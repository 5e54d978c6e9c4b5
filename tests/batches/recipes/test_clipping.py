"""Texts cut to a number of tokens."""

import pytest

from tokenworks.batches.recipes.clipping import clipped
from tokenworks.batches.recipes.sizes import tokens_of


@pytest.mark.parametrize("text", ["word " * 500, "字" * 500, "aé字 " * 300, "x"])
@pytest.mark.parametrize("most", [0, 1, 2, 50])
def test_texts_are_cut_to_their_room(text: str, most: int) -> None:
    cut = clipped(text, most)
    assert tokens_of(cut) <= most
    assert cut == text or text.startswith(cut.removesuffix("…"))
    if most == 50 and len(text) > 9:
        assert tokens_of(cut) >= 48

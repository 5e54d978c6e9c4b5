"""Estimates of tokens."""

import pytest

from tokenworks.batches.recipes.sizes import tokens_of


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("a", 1),
        ("abcd", 1),
        ("abcde", 2),
        ("宾利先生", 4),
        ("カタカナ한글", 6),
        ("宾利 Bingley", 2 + 2),
        ("Дарси", 3),  # two bytes a letter
        ("\ud800", 1),  # half of a pair is no reason to stop
    ],
)
def test_a_text_comes_to_so_many_tokens(text: str, tokens: int) -> None:
    assert tokens_of(text) == tokens

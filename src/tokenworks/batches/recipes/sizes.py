"""About how many tokens a text comes to: to cut it in pieces and to estimate prices, without a tokenizer."""

from __future__ import annotations

import re

BYTES = 4  # of UTF-8 a token, of scripts that have letters
# Signs that are a token each: ideographs, kana, syllables of hangul, and their punctuation.
WIDE = re.compile(
    "[\u1100-\u11ff\u3000-\u30ff\u3130-\u318f\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]"
)


def tokens_of(text: str) -> int:
    """Tokens of ``text``, rounded up: a quarter of its bytes, a whole one for each ideograph; 0 for none."""
    if text.isascii():
        return -(-len(text) // BYTES)
    rest, wide = WIDE.subn("", text)
    return wide + -(-len(rest.encode("utf-8", "surrogatepass")) // BYTES)

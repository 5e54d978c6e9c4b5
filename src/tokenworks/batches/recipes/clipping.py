"""The beginning of a text, of at most so many tokens."""

from __future__ import annotations

from tokenworks.batches.recipes.sizes import tokens_of


def clipped(text: str, most: int) -> str:
    """The beginning of ``text``, of at most ``most`` tokens by our estimate, with “…” where it was cut."""
    if tokens_of(text) <= most:
        return text
    low, high = 0, min(len(text), 4 * max(most, 0))  # a token has four letters at most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if tokens_of(text[:middle] + "…") <= most else (low, middle - 1)
    return text[:low].rstrip() + "…" if low else ""

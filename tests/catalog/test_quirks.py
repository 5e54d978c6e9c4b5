"""The vocabulary of quirks."""

import re

from tokenworks.catalog.presets import presets
from tokenworks.catalog.quirks import QUIRKS


def test_every_word_is_explained_and_used() -> None:
    used = {quirk for preset in presets().values() for quirk in preset.quirks}
    assert used == set(QUIRKS), (
        "a word that no preset uses is forgotten; one that is not explained is a riddle"
    )
    assert all(re.fullmatch("[a-z_]+", word) and len(said) > 20 for word, said in QUIRKS.items())

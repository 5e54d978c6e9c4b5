from tokenworks.console.ranking_names import Names
from tokenworks.console.ranking_notes import SENTENCES, note
from tokenworks.console.strings import Strings
from tokenworks.rankings.views import outside, sums

STRINGS = Strings.load(strict=True)


def test_english_says_what_the_views_say() -> None:
    t = Names(STRINGS, "en").t
    assert {sentence: t(f"rankings.note_{name}") for sentence, name in SENTENCES.items()} == {
        sentence: sentence for sentence in SENTENCES
    }


def test_a_note_is_told_in_the_readers_language() -> None:
    told = f"{outside.FILLED_NOTE} {sums.UTC_NOTE} {sums.NO_PRIVATE} There: x, 2026-W08."
    assert note(told, Names(STRINGS, "en")) == f"{sums.UTC_NOTE} {sums.NO_PRIVATE} There: x, 2026-W08."
    chinese = note(told, Names(STRINGS, "zh"))
    assert chinese.startswith("按 UTC 日计") and "私有流量已计入" in chinese and chinese.endswith("2026-W08.")

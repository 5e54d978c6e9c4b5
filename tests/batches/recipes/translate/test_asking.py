"""The words of a request."""

from tokenworks.batches.recipes.recipe import Checked, Part
from tokenworks.batches.recipes.translate import asking

PART = Part(
    "1", "1", {"file": 1, "items": [{"n": 12, "text": "Ann saw Tom."}, {"n": 13, "text": "So?"}]}, 500, 40
)
SHARED = {
    "to": "de", "to_named": "German", "tone": "", "glossary": {"Tom": "Thomas", "Jim": "Jakob"},
    "names": ["Ann", "Tom", "Jane"],
    "files": [{"from": "und", "kind": "text"}],
}  # fmt: skip


def test_a_first_request() -> None:
    ask = asking.ask(PART, SHARED, {}, ())
    system, user = (message["content"] for message in ask.messages)
    assert (
        system.startswith("You translate into German.") and "Markdown" not in system and "Tone" not in system
    )
    assert user == (
        "Use these:\nTom = Thomas\n\nTranslate into German:\n\n[12] Ann saw Tom.\n\n[13] So?\n\n"
        "After the last paragraph write a line === and below it, a line each, how you wrote these names, "
        "as name = translation: Ann"
    )
    assert ask.max_tokens == 40 * 2 + 256


def test_what_is_known_is_told_and_not_asked_again() -> None:
    memory = {"names": {"Ann": "Anna", "Tom": "Tommi"}, "tail": "Vorher."}
    user = asking.ask(PART, SHARED, memory, ()).messages[-1]["content"]
    assert "Tom = Thomas\nAnn = Anna" in user.replace("Ann = Anna\nTom = Thomas", "Tom = Thomas\nAnn = Anna")
    assert "don't repeat it:\nVorher." in user and "===" not in user  # the user's glossary counts more


def test_tries_tell_the_faults_of_the_last_and_longer_answers_are_allowed_after_a_cut() -> None:
    tries = [Checked(None, ("the answer was cut off",)), Checked(None, ("[13]: it is missing",))]
    ask = asking.ask(
        PART, {**SHARED, "tone": "plain", "files": [{"from": "en", "kind": "markdown"}]}, {}, tries
    )
    assert ask.messages[-1]["content"].endswith("without these:\n- [13]: it is missing")
    assert ask.max_tokens == 2 * (40 * 2 + 256)
    system = ask.messages[0]["content"]
    assert "from English into German" in system and "Markdown" in system and "Tone: plain." in system

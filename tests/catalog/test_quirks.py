"""The vocabulary of quirks."""

import re

import pytest

from tokenworks.catalog.presets import presets
from tokenworks.catalog.quirks import QUIRKS, unknown_quirk


def test_every_word_is_explained_and_used() -> None:
    used = {quirk for preset in presets().values() for quirk in preset.quirks}
    used |= {quirk for preset in presets().values() for offer in preset.offers for quirk in offer.quirks}
    assert used == set(QUIRKS), (
        "a word that no preset uses is forgotten; one that is not explained is a riddle"
    )
    assert all(re.fullmatch("[a-z_]+", word) and len(said) > 20 for word, said in QUIRKS.items())


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), None),
        (("pin_session", "no_models_list"), None),
        (("pin_session", "pin_sesion"), "unknown quirk 'pin_sesion'; did you mean 'pin_session'?"),
        (("zzz",), "unknown quirk 'zzz'; see docs/catalog.md"),
    ],
)
def test_unknown_words(words: tuple[str, ...], complaint: str | None) -> None:
    assert unknown_quirk(words) == complaint


def test_what_each_provider_departs_in() -> None:
    quirks = {name: set(preset.quirks) for name, preset in presets().items()}
    assert quirks["deepseek"] >= {
        "echo_reasoning_content",
        "thinking_by_default",
        "sampling_ignored_while_thinking",
    }
    assert quirks["moonshot"] >= {"echo_reasoning_content", "cached_tokens_in_choices"}
    assert quirks["zai"] == {"preserve_thinking_flag", "tool_stream_flag", "no_models_list"}
    assert "enable_thinking_flag" in quirks["qwen"]
    assert quirks["minimax"] >= {"inline_think_tags", "replay_full_assistant", "max_completion_tokens"}
    assert quirks["google"] == {"echo_thought_signatures", "pin_session"}
    assert "max_completion_tokens" in quirks["openai"]
    assert quirks["openrouter"] >= {"reasoning_object", "cache_marks"}
    assert "adaptive_thinking_only" not in quirks["anthropic"], "only the newest models refuse budgets"

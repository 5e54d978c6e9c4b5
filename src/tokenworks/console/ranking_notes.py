"""What the views say of their figures, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping

from tokenworks.console.ranking_names import Names
from tokenworks.rankings.views import counts, energy, money, outside, sessions, speed, sums

# Sentences of the views → strings. The views speak English, as the API does.
SENTENCES: Mapping[str, str] = {
    sums.UTC_NOTE: "utc",
    sums.CUT_NOTE: "cut",
    sums.NO_PRIVATE: "no_private",
    outside.MONTH_NOTE: "outside_month",
    outside.DAY_NOTE: "outside_day",
    outside.RUNNING_NOTE: "outside_running",
    counts.SAMPLED_NOTE: "sampled",
    money.BLENDED_NOTE: "blended",
    money.NOT_SAVED_NOTE: "not_saved",
    money.SAVINGS_NOTE: "savings",
    sessions.NOTE: "sessions",
    sessions.MONTH_NOTE: "sessions_month",
    sessions.RUNNING_NOTE: "sessions_running",
    sessions.SAMPLE_NOTE: "sessions_sample",
    speed.NOTE: "speed",
    energy.NOTE: "energy",
    energy.UNPRICED_NOTE: "energy_unpriced",
}


def note(text: str, names: Names) -> str:
    """The note of a table or chart. What marks filled figures stands under the table already."""
    text = text.replace(outside.FILLED_NOTE, "")
    if names.language != "en":
        for sentence, name in SENTENCES.items():
            text = text.replace(sentence, names.t(f"rankings.note_{name}"))
    return " ".join(text.split())

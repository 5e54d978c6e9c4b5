"""What was said, from results; the rest is shown by whole jobs in test_talking.py."""

import json
from pathlib import Path

import pytest

from tokenworks.batches.recipes.dialogue import transcript
from tokenworks.batches.recipes.dialogue.session import Kept
from tokenworks.batches.recipes.dialogue.transcript import Round, Talk

PINNED = {"system": "S", "facts": ["f"], "forbidden": [], "simulator": ""}


def test_the_slope_of_a_line() -> None:
    assert transcript.slope([(1, 10), (2, 12), (3, 14)]) == pytest.approx(2.0)
    assert transcript.slope([(1, 10), (2, 30), (3, 10)]) == pytest.approx(0.0)
    assert transcript.slope([(1, 10)]) == 0.0


def test_three_files_of_a_session(tmp_path: Path) -> None:
    rounds = [Round(1, "Hi", "Ho", [], 50, 90), Round(2, "And?", "…", ["no text"], 70, 120)]
    talk = Talk("s", PINNED, rounds, Kept(2, "x", [("Hi", "Ho")], "left").memory(), False)
    outputs = transcript.write(talk, tmp_path)
    assert [output.file for output in outputs] == ["s.md", "s.jsonl", "s.state.json"]
    assert outputs[0].note == (
        "2 rounds, 120 tokens of context at most, 1 rounds flagged; not all of them are done"
    )
    assert (tmp_path / "s.md").read_text(encoding="utf-8") == (
        "# s\n\n**1. User:** Hi\n\n**Assistant:** Ho\n\n"
        "**2. User:** And?\n\n**Assistant:** …\n\n*(no text)*\n"
    )
    lines = (tmp_path / "s.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0]) == {"round": 1, "user": "Hi", "assistant": "Ho", "tokens": 50, "context": 90}
    state = json.loads((tmp_path / "s.state.json").read_text(encoding="utf-8"))
    assert state["memory"] == {"round": 2, "summary": "x", "turns": [["Hi", "Ho"]], "said": ""}
    assert transcript.tokens_by_round(talk) == [(1, 50), (2, 70)]

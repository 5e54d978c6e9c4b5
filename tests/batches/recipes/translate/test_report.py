"""The report of a job."""

import json
from pathlib import Path

from tokenworks.batches.recipes.recipe import Skipped
from tokenworks.batches.recipes.translate import report


def test_both_reports_tell_the_same(tmp_path: Path) -> None:
    flagged = (report.Flagged(7, "*It* <b>", ("it is too short",)),)
    one = report.FileReport(
        "a.txt", "a.de.txt", "en", 10, 9, flagged, ("x was repaired",), {"Ann": {"Anna": 2, "Anne": 1}}
    )
    outputs = report.write(tmp_path, [one], [Skipped("b.txt", "it is empty")], "de")
    told = json.loads((tmp_path / outputs[0].file).read_text())
    assert (told["paragraphs"], told["translated"], told["flagged"]) == (10, 9, 1)
    assert told["files"][0]["flagged"][0] == {
        "paragraph": 7,
        "text": "*It* <b>",
        "problems": ["it is too short"],
    }
    assert told["skipped"] == [{"file": "b.txt", "reason": "it is empty"}]
    text = (tmp_path / outputs[1].file).read_text()
    assert "9 of 10 paragraphs are translated." in text
    assert "- Paragraph 7 (it is too short): \\*It\\* \\<b\\>" in text
    assert "Ann came out in 2 ways: Anna (2), Anne (1)" in text
    assert "b.txt: it is empty" in text

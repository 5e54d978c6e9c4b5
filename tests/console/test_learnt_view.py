"""The table of what was learnt."""

from __future__ import annotations

from tokenworks.console.learnt_view import table
from tokenworks.ledger.decided import LearntRow


def row(day: int, task: str, model: str, weight: float, right: float, calls: int) -> LearntRow:
    return LearntRow(day, task, model, weight, right, calls, 10, 0, 5, 0, 1_000_000 * calls)


def test_days_are_added_up_and_the_most_used_shown() -> None:
    rows = [
        row(1, "math", "a", 1.0, 0.5, 3),
        row(2, "math", "a", 3.0, 2.5, 5),
        row(1, "code", "b", 0.0, 0.0, 9),
        row(1, "code", "a", 0.0, 0.0, 0),
    ]
    shown, left_out = table(rows, 2)
    assert [(cell.task, cell.model, cell.calls) for cell in shown] == [("code", "b", 9), ("math", "a", 8)]
    assert left_out == 1
    assert (shown[1].right_share, shown[1].call_usd) == (0.75, 0.001)
    assert shown[0].right_share is None
    assert table(rows, 9)[0][1].call_usd is None
    assert table([], 9) == ([], 0)

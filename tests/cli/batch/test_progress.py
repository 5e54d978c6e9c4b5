"""What is shown while a batch runs."""

from __future__ import annotations

import io

import pytest
from batching import batch_row
from rich.console import Console

from tokenworks.batches.forecast import Forecast
from tokenworks.cli.batch import progress as module
from tokenworks.cli.batch.progress import figures, left, progress

ROW = batch_row(kind="translate", total=10, done=4, failed=1, cost_nano_usd=2_000_000_000)
GOING = Forecast(tokens_per_s=1234.5, parts_per_s=1, left_s=65, cost_usd=4)


def test_one_line_of_figures() -> None:
    assert figures(ROW, GOING) == "1,234 tokens/s · $2.00 of about $4.00 · 1:05 left · 1 failed"
    assert figures(batch_row(note="why\x1b"), Forecast()) == "$0.00 · why\ufffd"
    assert left(3700) == "1:01:40"


def test_a_bar_at_a_terminal() -> None:
    seen = io.StringIO()
    console = Console(file=seen, force_terminal=True, width=120)
    with progress(console) as show:
        show(ROW, GOING)
    assert "translate in progress" in seen.getvalue() and "5/10" in seen.getvalue()


def test_lines_elsewhere_when_something_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = io.StringIO()
    with progress(Console(file=seen, width=20)) as show:
        for status in ("validating", "in_progress", "in_progress"):
            show(batch_row(status=status), Forecast())
        assert len(seen.getvalue().splitlines()) == 2
        monkeypatch.setattr(module, "LINE_EVERY_S", 0)
        show(batch_row(), GOING)
    assert seen.getvalue().splitlines()[2].endswith("; 1:05 left")

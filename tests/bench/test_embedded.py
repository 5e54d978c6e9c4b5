"""The arithmetic and the table of bench/embedded.py, with an engine that is scripted."""

from __future__ import annotations

import io
import threading
from typing import Any

from rich.console import Console

import embedded
from tokenworks.engines.single import Streamed


class Fake:
    """Answers at once, and remembers who asked."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.asked: list[tuple[str, bool]] = []

    def stream(self, body: dict[str, Any], *, batch: bool = False) -> Streamed:
        with self.lock:
            self.asked.append((body["messages"][0]["content"], batch))
        threading.Event().wait(0.01)
        return Streamed(0.2, body["max_tokens"], 0.0, 1.0)


def test_batch_work_carries_the_header_where_it_is_told(monkeypatch: Any) -> None:
    monkeypatch.setattr(embedded, "WAIT_S", 0.02)
    for header in (True, False):
        fake: Any = Fake()
        answers, rate = embedded.shared(fake, 2, 3, header=header)
        assert len(answers) == 3 and rate > 0
        assert {batch for text, batch in fake.asked if text.startswith("Batch")} == {header}
        assert not any(batch for text, batch in fake.asked if "garden" in text)


def test_a_row_and_its_table() -> None:
    answers = [Streamed(0.2, 11, 0.0, 1.0), Streamed(0.4, 21, 0.0, 1.0), Streamed(3.0, 31, 0.0, 1.0)]
    row = embedded.row("nothing", answers, 7.77)
    assert row == embedded.Row("nothing", 400, 3000, 20.0, 7.8)
    shown = io.StringIO()
    Console(file=shown, width=120).print(embedded.table([row]))
    assert all(part in shown.getvalue() for part in ("nothing", "400", "3,000", "20.0", "7.8"))

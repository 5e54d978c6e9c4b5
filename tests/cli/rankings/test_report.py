"""``tokenworks rankings report``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from ranked_ledger import Ledger

Run = Callable[..., Result]


def fill(ledger: Ledger) -> None:
    ledger.put("2026-02-20T00:00", 600, model="minimax/minimax-m2.5")
    ledger.put("2026-02-20T00:00", 300, model="a/<i7>", private=True)


def test_a_page_and_a_picture_by_default(
    ledger: Ledger, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(ledger)
    monkeypatch.chdir(tmp_path)
    assert run("report").stdout == "Week 2026-W08: week-2026-W08.html and week-2026-W08.png\n"
    page = (tmp_path / "week-2026-W08.html").read_text()
    assert "minimax-m2.5" in page and "&lt;i7&gt;" in page and "<i7>" not in page
    assert (tmp_path / "week-2026-W08.png").read_bytes().startswith(b"\x89PNG")


def test_one_of_them_where_it_is_named(ledger: Ledger, told: Callable[..., Any], tmp_path: Path) -> None:
    fill(ledger)
    page = tmp_path / "page.html"
    found = told("report", "--month", "2026-02", "--html", str(page), "--no-private")
    assert found == {"period": "2026-02", "html": str(page), "png": None}
    assert "&lt;i7&gt;" not in page.read_text()


def test_a_source(ledger: Ledger, run: Run, tmp_path: Path) -> None:
    ledger.told("article", ("2026-02-16", "week", "moonshotai/kimi-k2.5", 500))
    page = tmp_path / "page.html"
    assert run("report", "--source", "article", "--html", str(page)).exit_code == 0
    assert "kimi-k2.5" in page.read_text()


MISTAKES = [
    (("--week", "2026-W61"), 1, "2026 has 53 weeks"),
    (("--week", "latest", "--day", "latest"), 2, "give one of --week and --day"),
    (("--source", "nobody"), 1, "no source of that name was imported"),
    (("--png", "x.doc"), 1, "end its name so"),
]


def test_mistakes_are_one_line(run: Run) -> None:
    for words, status, line in MISTAKES:
        done = run("report", *words)
        assert (done.exit_code, line in done.stderr) == (status, True), words
        assert "Traceback" not in done.output

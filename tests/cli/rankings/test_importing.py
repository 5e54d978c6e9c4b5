"""``tokenworks rankings import``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from ranked_ledger import Ledger

from tokenworks.cli.rankings import importing

Run = Callable[..., Result]
TABLE = "week,model,tokens,filled\n2026-W07,a/x,5,false\n2026-W08,a/x,1.5T,false\n2026-W08,b/y,500B,true\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "article.csv"
    made.write_text(TABLE)
    return made


def test_a_file_is_a_source_of_its_name(
    run: Run, told: Callable[..., Any], file: Path, ledger: Ledger
) -> None:
    assert run("import", str(file)).stdout == (
        "article: 3 rows from 2026-02-09 to 2026-02-16, 1 of them marked as filled;"
        " tokenworks rankings --source article\n"
    )
    rows = told("--source", "article")["rows"]
    assert [(row["model"], row["tokens"], row["filled"]) for row in rows] == [
        ("a/x", 1_500_000_000_000, False),
        ("b/y", 500_000_000_000, True),
    ]
    assert any(entry.action == "rankings.import" for entry in ledger.store.audit())


def test_importing_again_replaces_and_another_name_is_another_source(
    told: Callable[..., Any], file: Path
) -> None:
    for _ in range(2):
        assert told("import", str(file), "--source", "press") == {
            "source": "press",
            "rows": 3,
            "first": "2026-02-09",
            "last": "2026-02-16",
            "filled": 1,
        }
    assert [each["source"] for each in told("sources")["sources"]] == ["press"]
    assert told("sources")["sources"][0]["rows"] == 3


def test_a_fault_names_its_place_and_imports_nothing(run: Run, told: Callable[..., Any], file: Path) -> None:
    file.write_text(TABLE + "2026-W08,c/z,many,false\n")
    done = run("import", str(file))
    assert (done.exit_code, "article.csv:5:3 (tokens)" in done.stderr) == (1, True)
    assert told("sources") == {"sources": []}
    done = run("import", "/nowhere.csv")
    assert (done.exit_code, "does not exist" in done.stderr) == (2, True)


def test_a_long_file_shows_what_is_done(run: Run, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "LONG", 1)
    assert run("import", str(file)).exit_code == 0  # not a terminal: silent
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    done = run("import", str(file))
    assert "writing 3 rows" in done.stderr and done.stdout.startswith("article: 3 rows")

"""One ranking: as a table, as JSON, in a file."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from click.testing import Result
from ranked_ledger import Ledger

from tokenworks.cli.home import Place
from tokenworks.cli.rankings.desk import opened
from tokenworks.cli.rankings.show import _columns
from tokenworks.rankings.question import Question, answer

Run = Callable[..., Result]
Told = Callable[..., Any]


def fill(ledger: Ledger) -> None:
    ledger.put("2026-02-20T00:00", 600, model="minimax/minimax-m2.5", app="[red]x", cost_nano_usd=2 * 10**9)
    ledger.put("2026-02-20T00:00", 300, model="openai/gpt-5.2", private=True)
    ledger.put("2026-02-10T00:00", 200, model="minimax/minimax-m2.5")


def test_a_table_for_people(ledger: Ledger, run: Run) -> None:
    fill(ledger)
    shown = run("--week", "2026-W08", "--top", "1").stdout.replace("\xa0", "")
    lines = [line.split() for line in shown.splitlines()]
    assert lines[0] == [
        *("#", "model", "author", "country", "weights", "tokens", "share", "change", "move"),
        *("input", "tokens", "output", "tokens", "cached", "share", "requests", "cost", "usd"),
    ]
    assert lines[1][:9] == ["1", "minimax/minimax-m2.5", "minimax", "CN", "open", "600", "67%", "+200%", "="]
    assert lines[2][:2] == ["others", "-"] and lines[2][4:6] == ["300", "33%"]
    assert " ".join(lines[3]) == (
        "2026-W08 (until 2026-02-22), UTC, 900 tokens, 2 requests, $2.00, +350% against the period before"
    )


def test_brackets_are_no_markup(ledger: Ledger, run: Run) -> None:
    fill(ledger)
    assert "[red]x" in run("--by", "app").stdout


def test_names_give_no_orders_to_a_terminal(ledger: Ledger, run: Run) -> None:
    hostile = "\x1b]0;owned\x07\x9b2J\u202e\nevil"
    ledger.put("2026-02-16", app=hostile, user=hostile, model=f"acme/{hostile}", session="s")
    for view in ("app", "user", "model", "spend", "session", "finish"):
        told = run("--by", view)
        assert told.exit_code == 0 and not {"\x1b", "\x07", "\x9b", "\u202e"} & set(told.stdout), view
    assert "evil" in run("--by", "app").stdout


def test_json_is_what_the_api_answers(ledger: Ledger, told: Told) -> None:
    fill(ledger)
    found = told("--by", "country", "--week", "latest")
    assert (found["period"], found["view"], found["unit"]) == ("2026-W08", "country", "week")
    assert [(row["rank"], row["country"], row["tokens"]) for row in found["rows"]] == [
        (1, "CN", 600),
        (2, "US", 300),
    ]
    assert told("--no-private")["total"]["tokens"] == 600
    assert told("--month", "2026-02")["total"]["tokens"] == 1100
    assert told("--day", "2026-02-10")["total"]["tokens"] == 200
    assert told("--author", "openai", "--timezone", "Asia/Tokyo")["timezone"] == "Asia/Tokyo"


def test_our_own_beside_a_source(ledger: Ledger, told: Told, run: Run) -> None:
    fill(ledger)
    ledger.told(
        "article", ("2026-02-16", "week", "minimax/minimax-m2.5", 500), ("2026-02-16", "week", "a/b", 500)
    )
    row = told("--against", "article")["rows"][0]
    assert (row["share_there"], row["rank_there"]) == (0.5, 2)
    assert "+16.7 pp" in run("--against", "article").stdout


def test_a_file_by_its_ending(ledger: Ledger, run: Run, tmp_path: Path) -> None:
    fill(ledger)
    target = tmp_path / "out.csv"
    assert run("--export", str(target)).stdout == f"2 rows of model, 2026-W08: {target}\n"
    with target.open(newline="") as file:
        assert [row["model"] for row in csv.DictReader(file)] == ["minimax/minimax-m2.5", "openai/gpt-5.2"]
    done = run("--export", str(tmp_path / "out.doc"))
    assert (done.exit_code, "end its name so" in done.stderr) == (1, True)
    assert not (tmp_path / "out.doc").exists()


def test_nothing_to_rank_tells_the_next_step(ledger: Ledger, run: Run) -> None:
    assert "tokenworks chat sends a first request" in run().stdout
    ledger.told("article", ("2026-02-16", "week", "a/b", 500))
    done = run("--source", "article", "--week", "2026-W01")
    assert (
        done.stdout == "article told nothing of 2026-W01; tokenworks rankings sources shows of when it did\n"
    )


def test_filled_rows_have_a_star(ledger: Ledger, run: Run) -> None:
    ledger.told("article", ("2026-02-16", "week", "a/b", 500), filled=True)
    assert "500 *" in run("--source", "article").stdout


MISTAKES = [
    (("--by", "models"), 2, "write model for models"),
    (("--by", "weather"), 2, "no such view; there are model, author"),
    (("--week", "2026-W61"), 1, "tokenworks: 2026-W61: 2026 has 53 weeks"),
    (("--week", "2026-W08", "--month", "2026-02"), 2, "give one of --week and --month"),
    (("--timezone", "Mars"), 1, "use an IANA name"),
    (("--source", "nobody"), 1, "import one: tokenworks rankings import FILE"),
    (("--by", "app", "--key", "x"), 1, "the app view can't be narrowed by key"),
    (("--top", "0"), 2, "0 is not in the range"),
]


def test_mistakes_are_one_line(run: Run) -> None:
    for words, status, line in MISTAKES:
        done = run(*words)
        assert (done.exit_code, line in done.stderr) == (status, True), words
        assert "Traceback" not in done.output


def test_a_running_week_says_so(ledger: Ledger, run: Run) -> None:
    ledger.put((datetime.now(UTC) - timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%S"))
    assert "so far, UTC" in run("--month", "latest").stdout


def test_a_narrow_terminal_shows_the_main_columns(ledger: Ledger, home: Path) -> None:
    fill(ledger)
    with opened(Place(home).existing()) as books:
        table = answer(books, Question())
    shown = [each.name for each in _columns(table, 80)]
    assert shown == ["rank", "model", "tokens", "share", "change", "rank_change"]
    assert len(_columns(table, 200)) == len(table.columns)

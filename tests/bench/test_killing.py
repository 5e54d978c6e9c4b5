"""The account of the kill test, and a small one of it, whole."""

import sqlite3
from pathlib import Path

from toy_provider import translating
from toy_translator import toy

from killing import killed_novel, ledger, paragraphs

TEXT = "The first one stands here.\n\nThe second one is longer than it.\n\nThe third one ends it.\n"


def test_paragraphs_that_are_lost_doubled_or_out_of_place_are_seen() -> None:
    whole = toy(TEXT)
    assert paragraphs(TEXT, whole) == {"paragraphs": 3, "paragraphs_in_place": 3, "paragraphs_written": 3}
    pieces = whole.strip().split("\n\n")
    lost, doubled = "\n\n".join(pieces[1:]), "\n\n".join([pieces[0], *pieces])
    assert paragraphs(TEXT, lost)["paragraphs_in_place"] == 0
    assert paragraphs(TEXT, doubled)["paragraphs_written"] == 4


def test_the_ledger_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "l.db"
    with sqlite3.connect(file) as made:
        made.execute("CREATE TABLE requests (id, status, cost_nano_usd)")
        rows = [("a", 200, 5), ("b", 502, 0), ("a", 200, 7)]
        made.executemany("INSERT INTO requests VALUES (?, ?, ?)", rows)
    made.close()
    assert ledger(file) == {"requests": 3, "answered": 2, "twice": 1, "cost_nano_usd": 12}


def test_a_short_novel_lives_through_a_kill(tmp_path: Path) -> None:
    novel = tmp_path / "n.txt"
    novel.write_text("\n\n".join(f"Paragraph {n} says that it went on and on for a day." for n in range(40)))
    with translating(delay_s=0.05) as provider:
        found = killed_novel(tmp_path, novel, provider, kills=1, seed=8, chunk_tokens=50)
    assert (found["status"], found["failed"], len(found["kills"])) == ("completed", 0, 1)
    assert found["paragraphs"] == found["paragraphs_in_place"] == found["paragraphs_written"] == 40
    assert found["asked_after_they_were_settled"] == found["twice_in_the_ledger"] == 0
    assert found["parts"] <= found["answers_kept"] <= found["answers_in_the_ledger"]
    assert found["answers_in_the_ledger"] <= found["answers_delivered"]

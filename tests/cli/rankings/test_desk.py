"""Books of a home hold what a killed server left."""

from pathlib import Path

from ranked_ledger import us

from tokenworks.cli.home import Place
from tokenworks.cli.rankings.desk import opened
from tokenworks.ledger.journal import Journal
from tokenworks.ledger.record import Record


def test_what_a_dead_server_left_is_counted(home: Path) -> None:
    (home / "journal").mkdir()
    journal = Journal(home / "journal", "w0-test")
    journal.append(Record(id="gen-1-1", time_us=us("2026-02-20T10:00"), model="a/x", output_tokens=7))
    journal.close()
    for _ in range(2):
        with opened(Place(home).existing()) as books:
            assert books.store.cube("model", ["model"], 0, us("2026-03-01T00:00"))[0][:2] == ("a/x", 1)

import json

import psycopg
import pytest

from tokenworks.ledger.limit_rows import AuditRow
from tokenworks.ledger.postgres import audit


def test_entries_come_newest_first_and_of_one_target(store) -> None:
    entries = [AuditRow(time_us, "a", "x.y", f"t{time_us % 2}", "{}") for time_us in (5, 3, 4, 5)]
    for entry in entries:
        store.note(entry)
    assert [entry.time_us for entry in store.audit()] == [5, 5, 4, 3]
    assert [entry.time_us for entry in store.audit(4, 5)] == [4]
    assert [entry.time_us for entry in store.audit(target="t1", limit=2)] == [5, 5]


@pytest.mark.parametrize(
    "change",
    ["UPDATE audit SET actor = 'me'", "DELETE FROM audit", "TRUNCATE audit", "DELETE FROM audit WHERE false"],
)
def test_it_can_only_be_added_to(store, sql, change: str) -> None:
    store.note(AuditRow(1, "a", "x.y", "t"))
    with pytest.raises(psycopg.errors.RaiseException, match="can only be added to"):
        sql(change)
    assert len(store.audit()) == 1


def test_an_entry_goes_the_way_of_its_transaction(store) -> None:
    def work(connection) -> None:
        audit.write(connection, "a", "x.y", "t", {"n": 1})
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        store._write(work)
    assert store.audit() == []
    store._write(lambda connection: audit.write(connection, "a", "x.y", "t" * 9000, {"n": 1}))
    (entry,) = store.audit(target="t" * 9000)
    assert json.loads(entry.detail) == {"n": 1}

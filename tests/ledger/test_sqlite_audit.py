import sqlite3
from pathlib import Path

import pytest

from tokenworks.errors import StoreError
from tokenworks.ledger import sqlite_audit
from tokenworks.ledger.limit_rows import AuditRow, LimitRow
from tokenworks.ledger.rows import KeyRow, ProviderKeyRow


def entries(store, *numbers: int) -> list[AuditRow]:
    made = [AuditRow(n, f"k_{n}", "key.update", f"t{n % 2}", '{"n":1}') for n in numbers]
    for entry in made:
        store.note(entry)
    return made


def test_entries_come_back_newest_first_and_of_the_span(store) -> None:
    one, three, two, again = entries(store, 1, 3, 2, 3)
    assert store.audit() == [again, three, two, one], "of the same moment the later one first"
    assert store.audit(2, 3) == [two]
    assert store.audit(until_us=3) == [two, one]
    assert store.audit(limit=1) == [again]
    assert store.audit(target="t1") == [again, three, one]
    assert store.audit(2, None, "t1", 1) == [again]
    assert store.audit(target="nobody") == store.audit(limit=0) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'somebody else'",
        "DELETE FROM audit WHERE seq = 1",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit VALUES (1, 1, 'a', 'b', 'c', '')",
        "REPLACE INTO audit SELECT * FROM audit",
        "INSERT INTO audit VALUES (1, 1, 'a', 'b', 'c', '') ON CONFLICT DO UPDATE SET actor = 'x'",
    ],
)
def test_nothing_can_be_changed_or_taken_out(store, tmp_path: Path, statement: str) -> None:
    made = entries(store, 1, 2)
    other = sqlite3.connect(tmp_path / "ledger.db")
    with other, pytest.raises(sqlite3.IntegrityError, match="can only be added to"):
        other.execute(statement)
    other.close()
    assert store.audit() == made[::-1]


def test_a_change_and_its_entry_are_one_transaction(store, monkeypatch) -> None:
    store.add_limit(LimitRow("l_1", "key", "k_1", "usd", 5, "month", 1, 1))

    def fails(*_: object) -> None:
        raise sqlite3.OperationalError("no room for the entry")

    before = store.keys_version(), store.plans_version(), store.audit()
    monkeypatch.setattr(sqlite_audit, "write", fails)
    for change in (
        lambda: store.add_key(KeyRow("k_1", "a", "member", "…", 1, None, b"d" * 32)),
        lambda: store.update_limit("l_1", amount=6),
        lambda: store.remove_limit("l_1"),
    ):
        with pytest.raises(StoreError, match="no room"):
            change()
    assert (store.keys_version(), store.plans_version(), store.audit()) == before
    assert (store.keys(), store.limits()[0].amount) == ([], 5)


def test_no_secret_gets_in(store) -> None:
    store.add_key(KeyRow("k_1", "alice", "member", "tw-abc…wxyz", 1, None, b"digest-1" * 4), actor="cli:root")
    store.rotate_key("k_1", b"digest-2" * 4, "tw-def…wxyz", 9, actor="cli:root")
    sealed = ProviderKeyRow("pk_1", "acme", "team", 1.0, b"ciphertext", "sk-…abcd", 1)
    store.add_provider_key(sealed, actor="k_2")
    store.update_provider_key("pk_1", weight=2.0, actor="k_2")
    store.update_provider_key("pk_1", actor="k_2")
    store.update_provider_key("pk_9", weight=2.0, actor="k_2")
    assert store.remove_provider_key("pk_1", actor="k_2")
    assert [(e.actor, e.action, e.target, e.detail) for e in store.audit()][::-1] == [
        (
            "cli:root",
            "key.create",
            "k_1",
            '{"name":"alice","role":"member","expires_us":null,"disabled":false,"team_id":"","rules":""}',
        ),
        ("cli:root", "key.rotate", "k_1", '{"old_until_us":9}'),
        (
            "k_2",
            "provider_key.create",
            "pk_1",
            '{"provider":"acme","name":"team","weight":1.0,"disabled":false}',
        ),
        ("k_2", "provider_key.update", "pk_1", '{"weight":2.0}'),
        ("k_2", "provider_key.remove", "pk_1", ""),
    ]

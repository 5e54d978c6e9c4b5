import hashlib
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from tokenworks.errors import StoreError
from tokenworks.ledger.rows import KeyRow


def key(number: int = 1, **fields) -> KeyRow:
    values = {
        "id": f"k_{number}",
        "name": "alice",
        "role": "member",
        "hint": "tw-abc…wxyz",
        "created_us": number,
        "revoked_us": None,
        "digest": bytes([number]) * 32,
    }
    return KeyRow(**(values | fields))


def test_keys_are_kept_found_and_revoked(store) -> None:
    versions = [store.keys_version()]
    store.add_key(key(2, role="admin"))
    store.add_key(key(1))
    versions.append(store.keys_version())
    found = store.keys()
    assert [each.id for each in found] == ["k_1", "k_2"]
    assert store.key_by_digest(b"\x02" * 32) == key(2, role="admin")
    assert store.key_by_digest(b"\x03" * 32) is None
    assert store.revoke_key("k_1")
    versions.append(store.keys_version())
    assert not store.revoke_key("k_1")
    assert not store.revoke_key("k_9")
    assert versions[0] < versions[1] < versions[2] == store.keys_version()
    found = store.keys()
    assert [each.active for each in found] == [False, True]
    with pytest.raises(StoreError, match="UNIQUE"):
        store.add_key(key(3, digest=b"\x02" * 32))
    with pytest.raises(StoreError, match="CHECK"):
        store.add_key(key(4, role="root"))


def test_a_key_changed_by_hand_changes_the_version(store, tmp_path: Path) -> None:
    store.add_key(key())
    before = store.keys_version()
    other = sqlite3.connect(tmp_path / "ledger.db")
    with other:
        other.execute("DELETE FROM keys")
    other.close()
    assert store.keys_version() > before


def test_a_key_is_found_by_its_hash(store) -> None:
    store.add_key(key(1))
    store.add_key(key(2))
    two = hashlib.sha256(b"k_2").hexdigest()
    assert store.key_by_hash(two) == key(2)
    store.revoke_key("k_2")
    assert store.key_by_hash(two).revoked_us is not None
    assert store.key_by_hash(two.upper()) is None
    assert store.key_by_hash("") is None
    assert store.key("k_1") == key(1)
    assert store.key("k_9") is None


def test_what_is_given_changes_and_nothing_else(store) -> None:
    store.add_key(key(1, expires_us=5))
    before = time.time_ns() // 1000
    version = store.keys_version()
    renamed = store.update_key("k_1", name="bob")
    assert renamed == store.key("k_1")
    assert renamed.updated_us >= before
    assert renamed == key(1, name="bob", expires_us=5, updated_us=renamed.updated_us)
    off = store.update_key("k_1", disabled=True)
    assert (off.name, off.disabled, off.active, off.expires_us) == ("bob", True, False, 5)
    on = store.update_key("k_1", disabled=False, expires_us=None)
    assert (on.disabled, on.active, on.expires_us) == (False, True, None)
    assert store.update_key("k_1", expires_us=2**60).expires_us == 2**60
    assert store.keys_version() == version + 4
    assert store.update_key("k_1") == store.key("k_1")
    assert store.keys_version() == version + 4, "nothing given, nothing changed"


def test_a_key_that_is_gone_can_not_be_changed(store) -> None:
    store.add_key(key(1))
    assert store.update_key("k_9", name="x") is None
    assert store.delete_key("k_1")
    assert not store.delete_key("k_1")
    revoked = store.key("k_1")
    assert revoked.updated_us == revoked.revoked_us
    for change in ({"name": "x"}, {"disabled": False}, {"expires_us": None}, {}):
        assert store.update_key("k_1", **change) is None
    assert store.key("k_1") == revoked


def test_changes_from_many_threads_are_all_kept(store) -> None:
    store.add_key(key(1))

    def change(number: int) -> None:
        for turn in range(10):
            store.update_key("k_1", **({"name": f"n{turn}"} if number % 2 else {"expires_us": turn}))

    threads = [threading.Thread(target=change, args=(number,)) for number in range(4)]
    version = store.keys_version()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = store.key("k_1")
    assert (found.name, found.expires_us) == ("n9", 9)
    assert store.keys_version() == version + 40


def test_a_key_has_a_team_a_role_in_it_and_rules(store) -> None:
    store.add_key(key(1, team_id="t_1", rules='{"models":["a*"]}', role="manager"))
    assert store.key("k_1") == key(1, team_id="t_1", rules='{"models":["a*"]}', role="manager")
    changed = store.update_key("k_1", role="admin", team_id="", rules="", actor="k_9")
    assert changed == key(1, role="admin", updated_us=changed.updated_us) == store.key("k_1")
    assert store.update_key("k_1", team_id="t_2").team_id == "t_2"
    with pytest.raises(StoreError, match="CHECK"):
        store.update_key("k_1", role="root")
    assert store.key("k_1").role == "admin"


def test_after_a_rotation_both_secrets_find_the_key(store) -> None:
    store.add_key(key(1))
    store.add_key(key(2))
    version = store.keys_version()
    rotated = store.rotate_key("k_1", b"\x0b" * 32, "tw-new…wxyz", 99, actor="k_9")
    assert rotated == key(
        1,
        digest=b"\x0b" * 32,
        hint="tw-new…wxyz",
        old_digest=b"\x01" * 32,
        old_until_us=99,
        updated_us=rotated.updated_us,
    )
    assert rotated.updated_us > 1
    assert store.keys_version() == version + 1
    assert store.key_by_digest(b"\x0b" * 32) == store.key_by_digest(b"\x01" * 32) == rotated
    store.rotate_key("k_1", b"\x0c" * 32, "…", 100)
    assert store.key_by_digest(b"\x0b" * 32) == store.key_by_digest(b"\x0c" * 32) == store.key("k_1")
    assert store.key_by_digest(b"\x01" * 32) is None, "only the one before"
    with pytest.raises(StoreError, match="UNIQUE"):
        store.rotate_key("k_1", b"\x02" * 32, "…", 100)
    assert store.key("k_1").digest == b"\x0c" * 32
    assert store.rotate_key("k_9", b"\x0d" * 32, "…", 100) is None
    store.revoke_key("k_1")
    assert store.rotate_key("k_1", b"\x0d" * 32, "…", 100) is None
    assert store.key_by_digest(b"\x0b" * 32).revoked_us is not None


def test_an_old_secret_is_found_by_an_index(store) -> None:
    sql = "EXPLAIN QUERY PLAN SELECT id FROM keys WHERE old_digest = ?"
    assert "keys_by_old_digest" in store._connection().execute(sql, (b"x",)).fetchone()[-1]


def test_who_changed_a_key_and_how_is_noted(store) -> None:
    store.add_key(key(1), actor="cli:ann")
    store.update_key("k_1", name="bob", expires_us=None, actor="k_9")
    store.update_key("k_1", actor="k_9")
    store.update_key("k_2", name="x", actor="k_9")
    store.revoke_key("k_1", actor="k_9")
    store.delete_key("k_1", actor="k_9")
    store.update_key("k_1", name="x", actor="k_9")
    entries = store.audit(target="k_1")[::-1]
    assert entries == store.audit()[::-1]
    assert [(entry.actor, entry.action) for entry in entries] == [
        ("cli:ann", "key.create"),
        ("k_9", "key.update"),
        ("k_9", "key.revoke"),
    ]
    assert entries[1].detail == '{"name":"bob","expires_us":null}'
    assert entries[2].detail == f'{{"revoked_us":{store.key("k_1").revoked_us}}}'

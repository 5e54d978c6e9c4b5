import threading

from tokenworks.ledger.rows import KeyRow


def key(number: int = 1, **fields) -> KeyRow:
    values = {"id": f"k_{number}", "name": "alice", "role": "member", "hint": "tw-abc…wxyz"}
    values |= {"created_us": number, "revoked_us": None, "digest": bytes([number]) * 32}
    return KeyRow(**(values | fields))


def test_every_field_comes_back(store) -> None:
    full = key(1, updated_us=2, expires_us=2**60, disabled=True, team_id="t", rules="{}", revoked_us=7)
    store.add_key(full)
    assert store.key("k_1") == full
    assert type(store.key("k_1").digest) is bytes


def test_a_key_changed_by_hand_changes_the_version(store, sql) -> None:
    store.add_key(key())
    before = store.keys_version()
    sql("UPDATE keys SET name = 'x'")
    sql("DELETE FROM keys")
    assert store.keys_version() == before + 2


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
    assert len(store.audit(limit=100)) == 41


def test_what_cannot_be_a_key_is_simply_not_there(store) -> None:
    assert store.key("k\0" + "x" * 10_000) is None
    assert store.key("k\ud800") is None
    assert store.update_key("k\0", name="a\0b") is None
    store.add_key(key(1, name="a\0b"))
    assert store.key("k_1").name == "a\ufffdb"

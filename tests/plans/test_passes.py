import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fresh_store import fresh_store

from tokenworks.ledger.store import Store
from tokenworks.plans import keys, passes
from tokenworks.plans.keys import KeyBook

PEPPER = bytes(range(32))
HOUR_US = 3_600_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = fresh_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield made
    made.close()


def now_us() -> int:
    return time.time_ns() // 1000


def test_a_pass_says_whose_it_is_until_it_ends() -> None:
    token = passes.make(PEPPER, "k_1", "batch_2", 5).encode()
    assert passes.read(PEPPER, token, 6) == passes.Pass("k_1", "batch_2", 5 + HOUR_US)
    assert passes.read(PEPPER, token, 5 + HOUR_US) is None
    assert passes.read(b"another pepper", token, 6) is None


def test_no_byte_of_a_pass_can_be_changed() -> None:
    token = passes.make(PEPPER, "k_1", "batch_2", 5).encode()
    for at in range(len(token)):
        changed = token[:at] + (b"0" if token[at : at + 1] != b"0" else b"1") + token[at + 1 :]
        assert passes.read(PEPPER, changed, 6) is None
    for wrong in (
        b"twb-",
        b"twb-...",
        b"\xff" * 40,
        b"twb-" + b"\xff" * 40,
        b"twb-" + b"a." * 400,
        token + b"0",
    ):
        assert passes.read(PEPPER, wrong, 6) is None


@pytest.mark.parametrize("ids", [("k.1", "b"), ("k", "b.1")])
def test_an_id_with_a_dot_gets_none(ids: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="dot"):
        passes.make(PEPPER, *ids, 0)


def test_a_pass_opens_what_its_key_opens_as_a_member(store: Store) -> None:
    book = KeyBook(store, PEPPER)
    key_id, _ = keys.create(store, "boss", PEPPER, role="admin", team_id="t1", rules="{}")
    token = passes.make(PEPPER, key_id, "batch_1", now_us()).encode()
    key = book.check(token)  # made after the book was read
    assert key is not None and (key.id, key.role, key.team_id, key.rules) == (key_id, "member", "t1", "{}")
    assert book.check(token) is key, "one object, so that what is known of it is known once"
    assert book.check(passes.make(PEPPER, "k_none", "batch_1", now_us()).encode()) is None


def test_a_pass_ends_with_its_key(store: Store) -> None:
    key_id, _ = keys.create(store, "a", PEPPER)
    other_id, _ = keys.create(store, "b", PEPPER)
    book = KeyBook(store, PEPPER)
    token, other = (passes.make(PEPPER, name, "batch_1", now_us()).encode() for name in (key_id, other_id))
    key, kept = book.check(token), book.check(other)
    assert key is not None and kept is not None
    store.revoke_key(key_id)
    book.reload_if_changed()
    assert not key.active and book.check(token) is None
    assert kept.active and book.check(other) is kept


def test_a_pass_ends_by_itself(store: Store) -> None:
    key_id, _ = keys.create(store, "a", PEPPER)
    book = KeyBook(store, PEPPER)
    token = passes.make(PEPPER, key_id, "batch_1", now_us() - HOUR_US + 300_000).encode()
    key = book.check(token)
    assert key is not None and key.active
    time.sleep(0.35)
    book.reload_if_changed()
    assert not key.active, "whoever holds the object is told"
    assert book.check(token) is None and book._passed == {}

import hmac
import secrets
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from fresh_store import fresh_store

from tokenworks.errors import ConfigError, NotFound, StoreError
from tokenworks.ledger.store import Store
from tokenworks.plans import keys
from tokenworks.plans.keys import KeyBook, create, rotate

PEPPER = bytes(range(32))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = fresh_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield made
    made.close()


def test_a_secret_is_shown_once_and_stored_nowhere(store: Store, tmp_path: Path) -> None:
    key_id, secret = create(store, "alice", PEPPER)
    assert secret.startswith("tw-")
    assert len(secret) == 46
    assert set(secret[3:]) <= set(string.ascii_letters + string.digits + "-_")
    [row] = store.keys()
    assert (row.id, row.name, row.role, row.active) == (key_id, "alice", "member", True)
    assert row.hint == f"{secret[:6]}…{secret[-4:]}"
    assert row.digest == hmac.digest(PEPPER, secret.encode(), "sha256")
    store.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert secret.encode() not in kept
    assert PEPPER not in kept


def test_a_key_opens_and_anything_else_does_not(store: Store) -> None:
    key_id, secret = create(store, "alice", PEPPER, role="admin")
    book = KeyBook(store, PEPPER)
    key = book.check(secret.encode())
    assert key is not None
    assert (key.id, key.name, key.role, key.active) == (key_id, "alice", "admin", True)
    last = "a" if secret[-1] != "a" else "b"
    for wrong in (b"", b"tw-", secret[:-1] + last, secret + "a", secret[:-1], secret.upper(), b"\xff" * 46):
        assert book.check(wrong if isinstance(wrong, bytes) else wrong.encode()) is None
    assert KeyBook(store, b"another pepper").check(secret.encode()) is None


@pytest.mark.parametrize("length", [1, 32, 64, 65, 200])
def test_the_digest_is_hmac_sha256_whatever_the_pepper(store: Store, length: int) -> None:
    pepper = secrets.token_bytes(length)
    _, secret = create(store, "a", pepper)
    assert KeyBook(store, pepper).check(secret.encode()) is not None


def test_a_key_made_after_loading_works_at_once(store: Store) -> None:
    book = KeyBook(store, PEPPER)
    _, secret = create(store, "late", PEPPER)
    key = book.check(secret.encode())
    assert key is not None
    assert book.check(secret.encode()) is key
    assert book.reload_if_changed()
    assert book.check(secret.encode()) is key, "the object stays the same for who holds it"


def test_a_revoked_key_stops_with_the_next_reload_for_holders_too(store: Store) -> None:
    key_id, secret = create(store, "alice", PEPPER)
    book = KeyBook(store, PEPPER)
    held = book.check(secret.encode())
    assert held is not None
    assert not book.reload_if_changed()
    store.revoke_key(key_id)
    assert book.reload_if_changed()
    assert not held.active
    assert book.check(secret.encode()) is None
    assert KeyBook(store, PEPPER).check(secret.encode()) is None


def test_a_key_found_late_and_revoked_before_any_reload_stops_too(store: Store) -> None:
    book = KeyBook(store, PEPPER)
    key_id, secret = create(store, "late", PEPPER)
    held = book.check(secret.encode())
    assert held is not None
    store.revoke_key(key_id)
    book.reload_if_changed()
    assert not held.active
    assert book.check(secret.encode()) is None


# --- keys that end, rest and change -------------------------------------------------------------

NOW_US = 1_764_000_000_000_000


@pytest.fixture
def clock(monkeypatch) -> list[int]:
    """The time in unix µs as ``keys`` sees it."""
    now = [NOW_US]
    monkeypatch.setattr(keys.time, "time_ns", lambda: now[0] * 1000)
    return now


def test_a_key_ends_when_its_time_comes_for_holders_too(store: Store, clock: list[int]) -> None:
    _, late = create(store, "late", PEPPER, expires_us=NOW_US + 20)
    _, soon = create(store, "soon", PEPPER, expires_us=NOW_US + 10)
    _, never = create(store, "never", PEPPER)
    book = KeyBook(store, PEPPER)
    held = [book.check(secret.encode()) for secret in (soon, late, never)]
    for time_us, active in ((9, [1, 1, 1]), (10, [0, 1, 1]), (19, [0, 1, 1]), (25, [0, 0, 1])):
        clock[0] = NOW_US + time_us
        assert not book.reload_if_changed()
        assert [key.active for key in held if key] == [bool(each) for each in active], time_us
        found = [book.check(secret.encode()) is not None for secret in (soon, late, never)]
        assert found == [bool(each) for each in active]
    assert KeyBook(store, PEPPER).check(soon.encode()) is None


def test_a_key_ends_while_the_store_is_down(store: Store, clock: list[int], monkeypatch) -> None:
    _, secret = create(store, "a", PEPPER, expires_us=NOW_US + 10)
    book = KeyBook(store, PEPPER)

    def down(*_: object) -> None:
        raise StoreError("down")

    monkeypatch.setattr(store, "keys_version", down)
    clock[0] += 10
    with pytest.raises(StoreError):
        book.reload_if_changed()
    assert book.check(secret.encode()) is None


def test_a_key_looked_up_late_ends_too(store: Store, clock: list[int]) -> None:
    book = KeyBook(store, PEPPER)
    _, secret = create(store, "a", PEPPER, expires_us=NOW_US + 10)
    _, over = create(store, "b", PEPPER, expires_us=NOW_US)
    held = book.check(secret.encode())
    assert held is not None
    assert book.check(over.encode()) is None
    assert held.active
    book.version = store.keys_version()  # nothing is read again: the end alone counts
    clock[0] += 10
    assert not book.reload_if_changed()
    assert not held.active


def test_a_moved_end_and_a_disabled_key_count_with_the_next_reload(store: Store, clock: list[int]) -> None:
    key_id, secret = create(store, "a", PEPPER, expires_us=NOW_US + 10)
    book = KeyBook(store, PEPPER)
    held = book.check(secret.encode())
    assert held is not None
    clock[0] += 10
    book.reload_if_changed()
    assert not held.active
    changes: list[tuple[dict[str, object], bool]] = [
        ({"expires_us": NOW_US + 30}, True),
        ({"disabled": True}, False),
        ({"expires_us": None}, False),
        ({"disabled": False}, True),
        ({"expires_us": NOW_US}, False),
    ]
    for change, active in changes:
        store.update_key(key_id, **change)  # type: ignore[arg-type]
        assert book.reload_if_changed()
        assert held.active is active, change
        assert (book.check(secret.encode()) is held) is active


def test_a_key_tells_of_itself_without_the_store(store: Store, clock: list[int]) -> None:
    key_id, secret = create(store, "a", PEPPER, expires_us=NOW_US + 10)
    key = KeyBook(store, PEPPER).check(secret.encode())
    assert key == keys.Key(key_id, "a", "member", True, f"{secret[:6]}…{secret[-4:]}", NOW_US, NOW_US + 10)
    row = store.key(key_id)
    assert row is not None
    assert (row.created_us, row.updated_us, row.expires_us) == (NOW_US, NOW_US, NOW_US + 10)


# --- rotation -----------------------------------------------------------------------------------


def test_a_rotated_key_has_two_secrets_until_the_overlap_is_over(store: Store, clock: list[int]) -> None:
    key_id, old = create(store, "alice", PEPPER)
    book = KeyBook(store, PEPPER)
    held = book.check(old.encode())
    assert held is not None
    row, new = rotate(store, key_id, PEPPER, 10e-6, actor="boss")
    assert (row.id, row.hint, row.old_until_us) == (key_id, f"{new[:6]}…{new[-4:]}", NOW_US + 10)
    assert new != old
    fresh = book.check(new.encode())  # before any reload
    assert fresh is not None
    assert fresh.id == held.id == key_id
    book.reload_if_changed()
    assert book.check(old.encode()) is held, "who holds the object hears of its end"
    assert book.check(new.encode()) is fresh
    clock[0] += 9
    book.reload_if_changed()
    assert held.active
    clock[0] += 1
    assert not book.reload_if_changed()
    assert not held.active
    assert book.check(old.encode()) is None
    assert book.check(new.encode()) is fresh
    again = KeyBook(store, PEPPER)
    assert again.check(old.encode()) is None
    assert again.check(new.encode()) is not None
    latest = store.audit(target=key_id)[0]
    assert (latest.actor, latest.action) == ("boss", "key.rotate")


def test_an_old_secret_ends_while_the_store_is_down(store: Store, clock: list[int], monkeypatch) -> None:
    key_id, old = create(store, "alice", PEPPER)
    _, new = rotate(store, key_id, PEPPER, 10e-6)
    book = KeyBook(store, PEPPER)
    assert book.check(old.encode()) is not None

    def down(*_: object) -> None:
        raise StoreError("down")

    monkeypatch.setattr(store, "keys_version", down)
    monkeypatch.setattr(store, "key_by_digest", down)
    clock[0] += 10
    with pytest.raises(StoreError):
        book.reload_if_changed()
    assert book.check(old.encode()) is None, "refused, not unknown: nothing is asked"
    assert book.check(new.encode()) is not None


def test_without_overlap_the_old_secret_is_refused_at_once(store: Store) -> None:
    key_id, old = create(store, "alice", PEPPER)
    book = KeyBook(store, PEPPER)
    held = book.check(old.encode())
    assert held is not None
    _, new = rotate(store, key_id, PEPPER, 0)
    book.reload_if_changed()
    assert not held.active
    assert book.check(old.encode()) is None
    assert book.check(new.encode()) is not None


def test_only_the_last_two_secrets_are_good(store: Store) -> None:
    key_id, first = create(store, "alice", PEPPER)
    book = KeyBook(store, PEPPER)
    held = book.check(first.encode())
    assert held is not None
    _, second = rotate(store, key_id, PEPPER, 3600)
    book.reload_if_changed()
    _, third = rotate(store, key_id, PEPPER, 3600)
    book.reload_if_changed()
    assert not held.active
    found = [book.check(secret.encode()) is not None for secret in (first, second, third)]
    assert found == [False, True, True]
    store.revoke_key(key_id)
    book.reload_if_changed()
    assert [book.check(secret.encode()) for secret in (first, second, third)] == [None] * 3


def test_an_old_secret_lives_no_longer_than_its_key(store: Store, clock: list[int]) -> None:
    key_id, old = create(store, "alice", PEPPER, expires_us=NOW_US + 5)
    _, new = rotate(store, key_id, PEPPER, 10e-6)
    book = KeyBook(store, PEPPER)
    held = [book.check(secret.encode()) for secret in (old, new)]
    assert [key.expires_us for key in held if key] == [NOW_US + 5] * 2
    clock[0] += 5
    book.reload_if_changed()
    assert [key.active for key in held if key] == [False, False]


def test_an_old_secret_is_looked_up_late_with_its_own_end(store: Store, clock: list[int]) -> None:
    book = KeyBook(store, PEPPER)
    key_id, old = create(store, "late", PEPPER)
    rotate(store, key_id, PEPPER, 10e-6)
    held = book.check(old.encode())
    assert held is not None
    assert held.expires_us == NOW_US + 10
    clock[0] += 10
    assert KeyBook(store, PEPPER).check(old.encode()) is None


def test_what_can_not_be_rotated(store: Store) -> None:
    key_id, secret = create(store, "alice", PEPPER)
    for overlap in (-1, keys.MAX_OVERLAP_S + 1, float("nan")):
        with pytest.raises(ValueError, match="0 to 365 days"):
            rotate(store, key_id, PEPPER, overlap)
    store.revoke_key(key_id)
    for wrong in (key_id, "k_none"):
        with pytest.raises(NotFound, match=f"no key that is not revoked has the id {wrong}"):
            rotate(store, wrong, PEPPER, 0)
    assert secret


# --- what goes with a key -----------------------------------------------------------------------


def test_team_role_and_rules_come_with_the_key_and_what_admission_knows_stays(store: Store) -> None:
    key_id, secret = create(
        store, "alice", PEPPER, "manager", team_id="t_1", rules='{"models":["a"]}', actor="cli:root"
    )
    assert store.audit(target=key_id)[0].actor == "cli:root"
    book = KeyBook(store, PEPPER)
    key = book.check(secret.encode())
    assert key is not None
    assert (key.role, key.team_id, key.rules) == ("manager", "t_1", '{"models":["a"]}')
    assert (key.allowance, key.allowance_version) == (None, -1)
    key.allowance, key.allowance_version = allowance, version = object(), 7
    store.update_key(key_id, role="member", team_id="", rules="")
    assert book.reload_if_changed()
    assert book.check(secret.encode()) is key
    assert (key.role, key.team_id, key.rules) == ("member", "", "")
    assert key.allowance is allowance
    assert key.allowance_version == version


def test_guesses_neither_fill_memory_nor_occupy_the_store(store: Store, monkeypatch) -> None:
    book = KeyBook(store, PEPPER)
    asked: list[bytes] = []
    real = store.key_by_digest
    monkeypatch.setattr(store, "key_by_digest", lambda mac: (asked.append(mac), real(mac))[1])
    now = [1000.0]
    monkeypatch.setattr(keys.time, "monotonic", lambda: now[0])
    for _ in range(500):
        assert book.check(b"tw-" + secrets.token_urlsafe(32).encode()) is None
    assert len(asked) == keys.LOOKUPS_PER_S
    assert len(book._known) == 0
    _, secret = create(store, "new", PEPPER)
    assert book.check(secret.encode()) is None, "while guesses rain, a new key waits for the reload"
    book.reload_if_changed()
    assert book.check(secret.encode()) is not None
    now[0] += 1.0
    _, secret = create(store, "newer", PEPPER)
    assert book.check(secret.encode()) is not None


def test_known_keys_work_while_the_store_does_not(store: Store, monkeypatch) -> None:
    _, secret = create(store, "alice", PEPPER)
    book = KeyBook(store, PEPPER)

    def down(*_: object) -> None:
        raise StoreError("down")

    monkeypatch.setattr(store, "key_by_digest", down)
    monkeypatch.setattr(store, "keys_version", down)
    assert book.check(secret.encode()) is not None
    with pytest.raises(StoreError):
        book.reload_if_changed()
    assert book.check(secret.encode()) is not None
    with pytest.raises(StoreError):
        book.check(b"tw-" + b"x" * 43)


def test_without_a_pepper_or_with_a_made_up_role_nothing_is_made(store: Store) -> None:
    with pytest.raises(ConfigError, match="tokenworks init"):
        create(store, "alice", b"")
    with pytest.raises(ConfigError, match="tokenworks init"):
        KeyBook(store, b"")
    with pytest.raises(ValueError, match="member, manager, admin"):
        create(store, "alice", PEPPER, role="root")
    assert store.keys() == []


def test_a_key_is_found_by_its_id_while_it_is_active(store: Store) -> None:
    key_id, secret = create(store, "alice", PEPPER)
    book = KeyBook(store, PEPPER)
    assert book.named(key_id) is book.check(secret.encode())
    assert book.named("k_other") is None
    new_id, new = create(store, "bob", PEPPER)
    assert book.named(new_id) is None, "memory does not know it"
    assert book.check(new.encode()) is book.named(new_id)
    _, rotated = rotate(store, key_id, PEPPER, 60)
    book.reload_if_changed()
    assert book.named(key_id) is book.check(rotated.encode()) is not book.check(secret.encode())
    store.revoke_key(key_id)
    book.reload_if_changed()
    assert book.named(key_id) is None

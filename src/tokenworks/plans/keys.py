"""API keys: made once, shown once, checked in memory.

The store has an HMAC-SHA256 of each secret under the server's pepper, so neither a copied store nor a
copied pepper alone tells or tries keys.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time

import msgspec

from tokenworks.errors import ConfigError, NotFound
from tokenworks.ledger.rows import KeyRow
from tokenworks.ledger.store import Store
from tokenworks.plans import passes

PREFIX = "tw-"
SECRET_CHARS = len(PREFIX) + 43  # 32 random bytes in URL-safe base64
ROLES = ("member", "manager", "admin")
MAX_OVERLAP_S = 365 * 86_400  # for which the secret before a rotation may still be good
LOOKUPS_PER_S = 50  # of keys not in memory; beyond it an unknown key has to wait for the next reload

_BLOCK = 64  # bytes of a SHA-256 block
_NEVER = 2**63


class Key(msgspec.Struct):
    """Whose request this is. One object for each secret for as long as it is known, so ``active`` stays true.

    A rotated key has two for a while: the one of its old secret ends by itself.
    """

    id: str
    name: str
    role: str  # "member" | "manager" of its team | "admin"
    active: bool = True
    hint: str = ""  # first and last characters of the secret
    created_us: int = 0
    expires_us: int | None = None  # unix µs; from then on it is not active
    team_id: str = ""
    rules: str = ""  # JSON of ``plans.rules.Rules``; empty: none
    allowance: object | None = None  # what admission knows of its limits; not touched here
    allowance_version: int = -1


def create(
    store: Store,
    name: str,
    pepper: bytes,
    role: str = "member",
    *,
    expires_us: int | None = None,
    team_id: str = "",
    rules: str = "",
    actor: str = "",
) -> tuple[str, str]:
    """Make a key and return its id and its secret, which nothing can show again.

    From ``expires_us`` (unix µs) on it is refused. ``rules`` is JSON, see ``plans.rules``; whether there is
    a team ``team_id`` is not looked at. Raises ``StoreError`` when it can't be kept, ``ValueError`` for
    another role than ``ROLES``.
    """
    if role not in ROLES:
        raise ValueError(f"role {role!r}: use one of {', '.join(ROLES)}")
    secret, hint = _new_secret()
    now_us = _now_us()
    row = KeyRow(
        id="k_" + secrets.token_hex(8),
        name=name,
        role=role,
        hint=hint,
        created_us=now_us,
        revoked_us=None,
        digest=digest(pepper, secret.encode()),
        updated_us=now_us,
        expires_us=expires_us,
        team_id=team_id,
        rules=rules,
    )
    store.add_key(row, actor=actor)
    return row.id, secret


def rotate(
    store: Store, key_id: str, pepper: bytes, overlap_s: float, *, actor: str = ""
) -> tuple[KeyRow, str]:
    """Give a key another secret and return both; the one it had is good for ``overlap_s`` more.

    A secret before that one is refused from now on. Raises ``NotFound`` where no key that is not revoked
    has this id, ``ValueError`` for an overlap that is none.
    """
    if not 0 <= overlap_s <= MAX_OVERLAP_S:
        raise ValueError(f"an overlap is 0 to {MAX_OVERLAP_S // 86_400} days")
    secret, hint = _new_secret()
    old_until_us = _now_us() + int(overlap_s * 1_000_000)
    row = store.rotate_key(key_id, digest(pepper, secret.encode()), hint, old_until_us, actor=actor)
    if row is None:
        raise NotFound(f"no key that is not revoked has the id {key_id}; tokenworks key list shows them")
    return row, secret


def _new_secret() -> tuple[str, str]:
    """A secret, and what may be shown of it."""
    secret = PREFIX + secrets.token_urlsafe(32)
    return secret, f"{secret[:6]}…{secret[-4:]}"


def digest(pepper: bytes, token: bytes) -> bytes:
    """HMAC-SHA256 of ``token`` under ``pepper``, 32 bytes. Raises ``ConfigError`` without a pepper."""
    if not pepper:
        raise ConfigError("the pepper is missing, so no key can be checked; run tokenworks init")
    return hmac.digest(pepper, token, "sha256")


class KeyBook:
    """Every key in memory. Use from one thread; call ``reload_if_changed`` at least each second."""

    def __init__(self, store: Store, pepper: bytes) -> None:
        """Reads all keys. Raises ``StoreError``, or ``ConfigError`` without a pepper."""
        digest(pepper, b"")  # complains of a missing pepper
        self._store, self._pepper = store, pepper
        # HMAC(k, m) = H(k ^ opad | H(k ^ ipad | m)), RFC 2104. The two inner states are the same for
        # every token: copying them takes half the time of hmac.digest.
        block = (pepper if len(pepper) <= _BLOCK else hashlib.sha256(pepper).digest()).ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))
        self._known: dict[bytes, tuple[bytes, Key]] = {}
        self._passed: dict[bytes, Key] = {}  # by pass, see ``passes``: each is a key that ends
        self._named: dict[str, Key] = {}  # by id; of a rotated key the one of its present secret
        self.version = -1  # of what is known; it changes whenever a key does
        self._next_end_us = _NEVER  # the earliest time at which an active key ends
        self._lookups = 0
        self._lookups_since = 0.0
        self.reload_if_changed()

    def check(self, token: bytes) -> Key | None:
        """The active key whose secret ``token`` is, or None.

        One not in memory is looked up in the store, so a key made a moment ago works at once; raises
        ``StoreError`` when the store can't tell.
        """
        if len(token) != SECRET_CHARS:
            return self._of_pass(token) if token.startswith(passes.PREFIX) else None
        inner = self._inner.copy()
        inner.update(token)
        outer = self._outer.copy()
        outer.update(inner.digest())
        mac = outer.digest()
        entry = self._known.get(mac)
        if entry is None:
            return self._look_up(mac)
        if hmac.compare_digest(entry[0], mac) and entry[1].active:
            return entry[1]
        return None

    def named(self, key_id: str) -> Key | None:
        """The active key with this id as far as memory knows, or None. For what came in before, never for who
        comes with an id."""
        key = self._named.get(key_id)
        return key if key is not None and key.active else None

    def reload_if_changed(self) -> bool:
        """End the keys whose time has come, and read all again if any was made, changed or revoked.

        Raises ``StoreError``; what is known stays then. True when the keys were read again.
        """
        if _now_us() >= self._next_end_us:
            self._end_due()
        version = self._store.keys_version()  # before the keys: a change in between is seen next time
        if version == self.version:
            return False
        seen: dict[bytes, tuple[bytes, Key]] = {}
        rows = self._store.keys()
        self._next_end_us = _NEVER
        for row in rows:
            seen[row.digest] = self._entry(row, row.digest)
            if row.old_digest is not None:  # once over, too: a known one asks no store
                seen[row.old_digest] = self._entry(row, row.old_digest)
        for mac in self._known.keys() - seen.keys():
            self._known[mac][1].active = False  # deleted by hand; somebody may still hold the object
        self._known, self.version = seen, version
        self._named = {row.id: seen[row.digest][1] for row in rows}
        self._bring_passes_up_to_date()
        return True

    def _of_pass(self, token: bytes) -> Key | None:
        """The key that a pass names, as a member and until the pass ends."""
        key = self._passed.get(token)
        if key is not None:
            return key if key.active else None
        found = passes.read(self._pepper, token, _now_us())
        if found is None:
            return None
        if found.key_id not in self._named:  # made a moment ago
            self.reload_if_changed()
        if (owner := self.named(found.key_id)) is None:
            return None
        ends_us = min(found.until_us, owner.expires_us or _NEVER)
        key = Key(owner.id, owner.name, "member", hint=owner.hint, created_us=owner.created_us)
        key.expires_us, key.team_id, key.rules = ends_us, owner.team_id, owner.rules
        self._passed[token] = key
        self._note_end(key)
        return key

    def _bring_passes_up_to_date(self) -> None:
        """After their keys were read again."""
        for token, key in list(self._passed.items()):
            owner = self.named(key.id)
            if owner is None:
                key.active = False
                del self._passed[token]  # whoever comes with it again is looked at again
                continue
            key.name, key.team_id, key.rules = owner.name, owner.team_id, owner.rules
            if owner.expires_us is not None and key.expires_us is not None:
                key.expires_us = min(key.expires_us, owner.expires_us)
            self._note_end(key)

    def _entry(self, row: KeyRow, mac: bytes) -> tuple[bytes, Key]:
        """What is known of ``row`` by the secret whose HMAC is ``mac``, brought up to date."""
        entry = self._known.get(mac)
        if entry is None:
            entry = mac, Key(row.id, row.name, row.role)
        key = entry[1]
        now_us = _now_us()
        key.name, key.role, key.hint = row.name, row.role, row.hint
        key.team_id, key.rules = row.team_id, row.rules
        key.created_us, key.expires_us = row.created_us, _end_us(row, mac)
        key.active = row.active and (key.expires_us is None or now_us < key.expires_us)
        self._note_end(key)
        return entry

    def _note_end(self, key: Key) -> None:
        if key.active and key.expires_us is not None:
            self._next_end_us = min(self._next_end_us, key.expires_us)

    def _end_due(self) -> None:
        """No store is asked: keys end while it is down, too."""
        now_us = _now_us()
        self._next_end_us = _NEVER
        for _, key in self._known.values():
            if key.expires_us is not None and key.expires_us <= now_us:
                key.active = False
            self._note_end(key)
        for token, key in list(self._passed.items()):
            if key.expires_us is not None and key.expires_us <= now_us:
                key.active = False
                del self._passed[token]
            self._note_end(key)

    def _look_up(self, mac: bytes) -> Key | None:
        """Ask the store, but not more often than ``LOOKUPS_PER_S``: guesses must not occupy the worker."""
        now = time.monotonic()
        if now - self._lookups_since >= 1.0:
            self._lookups_since, self._lookups = now, 0
        self._lookups += 1
        if self._lookups > LOOKUPS_PER_S:
            return None
        row = self._store.key_by_digest(mac)
        if row is None:
            return None
        entry = self._known[mac] = self._entry(row, mac)
        if mac == row.digest:
            self._named[row.id] = entry[1]
        return entry[1] if entry[1].active else None


def _end_us(row: KeyRow, mac: bytes) -> int | None:
    """From when on the secret whose HMAC is ``mac`` is refused: the key's end or, if sooner, its own."""
    if mac == row.digest:
        return row.expires_us
    own_us = row.old_until_us or 0
    return own_us if row.expires_us is None else min(own_us, row.expires_us)


def _now_us() -> int:
    return time.time_ns() // 1000

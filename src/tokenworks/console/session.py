"""The cookie of who is signed in: signed, short-lived, and without the key's secret."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable

import msgspec
from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer

from tokenworks.plans.keys import Key

COOKIE = "tokenworks_console"
MAX_AGE_S = 12 * 3600
_PURPOSE = b"tokenworks console session"


class Session(msgspec.Struct, frozen=True):
    """Who signed in. ``csrf`` stands in every form and must come back with it."""

    key_id: str
    of: str  # tells the secret that was used from the one after a rotation; opens nothing
    csrf: str


def mark(key: Key) -> str:
    """What ``Session.of`` is for this key; another one after its secret was changed."""
    return hashlib.sha256(f"{key.id} {key.hint}".encode()).hexdigest()[:16]


class Signer:
    """Makes and reads session cookies, under a secret that follows from the server's pepper."""

    def __init__(self, pepper: bytes, now_us: Callable[[], int]) -> None:
        class Clocked(TimestampSigner):
            def get_timestamp(self) -> int:
                return now_us() // 1_000_000

        self._serializer = URLSafeTimedSerializer(
            hmac.digest(pepper, _PURPOSE, "sha256"),
            salt=_PURPOSE,
            signer=Clocked,
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )

    def new(self, key: Key) -> tuple[str, Session]:
        """The cookie's value for somebody who has just shown this key, and what it says."""
        session = Session(key.id, mark(key), secrets.token_urlsafe(24))
        return self._serializer.dumps(msgspec.to_builtins(session)), session

    def read(self, value: str) -> Session | None:
        """What a cookie says; None where it was not made here, was changed, or is too old."""
        try:
            return msgspec.convert(self._serializer.loads(value, max_age=MAX_AGE_S), Session)
        except (BadData, msgspec.ValidationError):
            return None

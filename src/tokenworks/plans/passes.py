"""Passes: with one, a worker of batches asks in the name of a key whose secret nobody has.

A pass names the key, the batch and its own end, and is signed with the server's pepper. It opens what that
key opens as a member, for an hour at most, and nothing once the key is revoked.
"""

from __future__ import annotations

import hmac

import msgspec

PREFIX = b"twb-"
LASTS_S = 3600
_CONTEXT = b"tokenworks pass of a batch\0"  # no HMAC of a secret of a key can be one of these
_MAX_BYTES = 300


class Pass(msgspec.Struct, frozen=True):
    """What a pass says."""

    key_id: str
    batch_id: str
    until_us: int


def make(pepper: bytes, key_id: str, batch_id: str, now_us: int) -> str:
    """A pass for ``LASTS_S`` from ``now_us`` (unix µs). Neither id may contain a dot."""
    if "." in key_id or "." in batch_id:
        raise ValueError("an id with a dot can't stand in a pass")
    said = f"{key_id}.{batch_id}.{now_us + LASTS_S * 1_000_000}"
    return f"{PREFIX.decode()}{said}.{_mac(pepper, said.encode())}"


def read(pepper: bytes, token: bytes, now_us: int) -> Pass | None:
    """What ``token`` says, None for one that is not ours or whose time is over."""
    if not token.startswith(PREFIX) or len(token) > _MAX_BYTES or not token.isascii():
        return None
    said, _, mac = token[len(PREFIX) :].rpartition(b".")
    if not hmac.compare_digest(_mac(pepper, said).encode(), mac):
        return None
    key_id, batch_id, until_us = said.decode().split(".")
    if int(until_us) <= now_us:
        return None
    return Pass(key_id, batch_id, int(until_us))


def _mac(pepper: bytes, said: bytes) -> str:
    return hmac.digest(pepper, _CONTEXT + said, "sha256").hex()

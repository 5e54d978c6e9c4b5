"""The session's cookie: what it says, and that nobody else can make or change one."""

from __future__ import annotations

import base64

from tokenworks.console.session import MAX_AGE_S, Signer, mark
from tokenworks.plans.keys import Key

KEY = Key("k_1", "root", "admin", hint="tw-abc…wxyz")


class Clock:
    def __init__(self) -> None:
        self.now_us = 1_790_000_000_000_000

    def __call__(self) -> int:
        return self.now_us


def test_what_was_made_is_read_until_it_is_too_old() -> None:
    clock = Clock()
    signer = Signer(b"p" * 32, clock)
    value, session = signer.new(KEY)
    assert signer.read(value) == session
    assert (session.key_id, session.of) == ("k_1", mark(KEY))
    clock.now_us += MAX_AGE_S * 1_000_000
    assert signer.read(value) == session
    clock.now_us += 1_000_000
    assert signer.read(value) is None


def test_sessions_differ_and_hold_nothing_of_the_secret() -> None:
    signer = Signer(b"p" * 32, Clock())
    (first, one), (second, two) = signer.new(KEY), signer.new(KEY)
    assert first != second
    assert one.csrf != two.csrf and len(one.csrf) >= 32
    payload = first.split(".")[0]
    said = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    assert b"k_1" in said and b"abc" not in said and b"wxyz" not in said


def test_changed_foreign_and_senseless_values_are_none() -> None:
    clock = Clock()
    signer = Signer(b"p" * 32, clock)
    value, _ = signer.new(KEY)
    payload, stamp, signature = value.split(".")
    other = base64.urlsafe_b64encode(b'{"key_id":"k_2","of":"x","csrf":"y"}').decode().rstrip("=")
    foreign, _ = Signer(b"q" * 32, clock).new(KEY)
    unfit = signer._serializer.dumps(["signed", "but no session"])
    for bad in (
        f"{other}.{stamp}.{signature}",
        f"{payload}.{stamp}.{signature[:-1]}",
        f"{payload}.{stamp[:-1]}.{signature}",
        foreign,
        unfit,
        payload,
        "",
        "...",
        "\x00",
        "é",
    ):
        assert signer.read(bad) is None, bad


def test_a_rotated_key_has_another_mark() -> None:
    assert mark(KEY) != mark(Key("k_1", "root", "admin", hint="tw-def…wxyz"))
    assert mark(KEY) != mark(Key("k_2", "root", "admin", hint="tw-abc…wxyz"))

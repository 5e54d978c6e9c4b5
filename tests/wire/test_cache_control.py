"""Cache marks keep how long they are meant to live."""

from __future__ import annotations

import msgspec
import pytest

from tokenworks.wire.cache_control import CacheControl, mark, ttl_of


@pytest.mark.parametrize(
    ("given", "ttl", "written"),
    [
        (b'{"type":"ephemeral"}', "5m", b'{"type":"ephemeral"}'),
        (b'{"type":"ephemeral","ttl":null}', "5m", b'{"type":"ephemeral"}'),
        (b'{"type":"ephemeral","ttl":"5m"}', "5m", b'{"type":"ephemeral"}'),
        (b'{"type":"ephemeral","ttl":"1h"}', "1h", b'{"type":"ephemeral","ttl":"1h"}'),
        (b'{"ttl":"30m","type":"ephemeral","new":1}', "30m", b'{"type":"ephemeral","ttl":"30m"}'),
    ],
)
def test_a_mark_and_its_time_to_live(given: bytes, ttl: str, written: bytes) -> None:
    assert ttl_of(msgspec.json.decode(given, type=CacheControl)) == ttl
    assert msgspec.json.encode(mark(ttl)) == written


def test_no_mark() -> None:
    assert ttl_of(None) == ""
    assert mark("") is None

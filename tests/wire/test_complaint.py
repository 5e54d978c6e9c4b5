"""Errors of any shape, in one line."""

from __future__ import annotations

import json

from tokenworks.wire.complaint import error_message


def test_error_message() -> None:
    assert error_message(b'{"message":"a\\n b"}') == "a b"
    assert error_message(b'"x"') == "x"
    assert error_message(b'{"code":5}') == "{'code': 5}"
    assert len(error_message(json.dumps("x" * 10_000).encode())) == 500
    for odd in (b'"\xff"', b'{"message":"\\ud800"}', b"[" * 100_000, b""):
        assert "\n" not in error_message(odd)

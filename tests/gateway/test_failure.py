"""What a failed attempt means."""

from __future__ import annotations

import pytest

from tokenworks.gateway import failure


@pytest.mark.parametrize(
    ("status", "seen", "final"),
    [(400, 400, True), (413, 413, True), (422, 400, True), (401, 502, False), (402, 502, False),
     (403, 502, False), (404, 502, False), (408, 504, False), (429, 429, False), (500, 502, False),
     (502, 502, False), (503, 503, False), (504, 504, False), (529, 503, False)],
)  # fmt: skip
def test_status(status: int, seen: int, final: bool) -> None:
    failed = failure.of_status("acme", status, b"7", b'{"error":{"message":"because\\nof this"}}')
    assert failed.error.status == seen
    assert failed.final is final
    assert failed.reason == f"acme:{status}"
    if status not in (408, 504):
        assert "because of this" in failed.error.message
    assert failed.error.retry_after_s == (7.0 if seen in (429, 503) else None)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"", None),
        (b"2.5", 2.5),
        (b"-3", 0.0),
        (b"1e99", 86_400.0),
        (b"nan", 0.0),
        (b"Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_retry_after(value: bytes, seconds: float | None) -> None:
    assert failure.of_status("acme", 429, value, b"").error.retry_after_s == seconds


@pytest.mark.parametrize(
    "body", [b"", b"<html>oops</html>", b"{broken", b'{"error":null}', b'{"error":[1,2]}', b"[]", b"\xff\xfe"]
)
def test_bodies_of_no_known_shape_are_survived(body: bytes) -> None:
    failed = failure.of_status("acme", 500, b"", body)
    assert failed.error.status == 502
    assert "acme failed (HTTP 500)" in failed.error.message


def test_transport() -> None:
    assert failure.of_transport("acme", "timeout", "no answer within 1 s").error.status == 504
    refused = failure.of_transport("acme", "connect", "Connection refused")
    assert refused.error.status == 502
    assert refused.error.message == "acme could not be reached: Connection refused"

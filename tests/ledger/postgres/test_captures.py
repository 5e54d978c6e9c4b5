"""Captures in PostgreSQL do what those in SQLite do."""

from tokenworks.ledger.captured import CaptureCount, CaptureRow

FOREVER = 2**62


def row(number: int, key_id: str = "k_1", body: bytes = b"body") -> CaptureRow:
    return CaptureRow(f"gen-{number}", number, 1000 + number, key_id, "m", "code", 0.75, body)


def ids(store, *span: int, **more: int) -> list[str]:
    return [each.id for each in store.captures(*(span or (0, FOREVER)), **more)]


def test_kept_found_counted_erased_and_expired(store) -> None:
    body = bytes(range(256)) * 100
    for number, key_id in ((3, "k_1"), (1, "k_2"), (2, "k_1")):
        assert store.keep_capture(row(number, key_id, body))
    assert not store.keep_capture(row(1)), "a request has one capture"
    first, *_ = store.captures(0, FOREVER)
    assert first == CaptureRow("gen-3", 3, 1003, "k_1", "m", "code", 0.75, body, first.seq)
    assert ids(store) == ["gen-3", "gen-1", "gen-2"]
    assert ids(store, 2, 3) == ["gen-2"]
    assert ids(store, limit=2) == ["gen-3", "gen-1"]
    assert ids(store, after_seq=first.seq) == ["gen-1", "gen-2"]
    assert store.capture_counts() == [
        CaptureCount("k_1", 2, 2 * len(body), 2, 3, 1002),
        CaptureCount("k_2", 1, len(body), 1, 1, 1001),
    ]
    assert store.expire_captures(1002, limit=1) == 1
    assert ids(store) == ["gen-3", "gen-2"]
    assert store.forget_captures(key_id="k_1", actor="cli:me") == 2
    assert store.forget_captures(capture_id="gen-1") == 0
    assert [(each.action, each.target, each.detail) for each in store.audit()] == [
        ("capture.forget", "k_1", '{"erased":2}')
    ]

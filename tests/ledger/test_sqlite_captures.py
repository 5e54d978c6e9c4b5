"""Captures in SQLite: kept once, found in order, erased so that nothing of them is left in the file."""

from pathlib import Path

from tokenworks.ledger.captured import CaptureCount, CaptureRow

FOREVER = 2**62


def row(number: int, key_id: str = "k_1", **more: object) -> CaptureRow:
    values = {"expires_us": 1000 + number, "body": b"body %d" % number, **more}
    return CaptureRow(
        f"gen-{number}", number, values["expires_us"], key_id, "m", "code", 0.75, values["body"]
    )


def ids(store, *span: int, **more: int) -> list[str]:
    return [each.id for each in store.captures(*(span or (0, FOREVER)), **more)]


def test_kept_once_and_found_in_order(store) -> None:
    for number in (3, 1, 2):
        assert store.keep_capture(row(number))
    assert not store.keep_capture(row(1, body=b"another")), "a request has one capture"
    first, *_ = store.captures(0, FOREVER)
    assert first == CaptureRow("gen-3", 3, 1003, "k_1", "m", "code", 0.75, b"body 3", first.seq)
    assert ids(store) == ["gen-3", "gen-1", "gen-2"], "in order of keeping"
    assert ids(store, 2, 3) == ["gen-2"], "up to but not including the end"
    assert ids(store, limit=2) == ["gen-3", "gen-1"]
    assert ids(store, after_seq=first.seq) == ["gen-1", "gen-2"]


def test_counts_by_key(store) -> None:
    assert store.capture_counts() == []
    for number, key_id in ((1, "k_2"), (2, "k_1"), (3, "k_2")):
        store.keep_capture(row(number, key_id))
    assert store.capture_counts() == [
        CaptureCount("k_1", 1, 6, 2, 2, 1002),
        CaptureCount("k_2", 2, 12, 1, 3, 1001),
    ]


def test_erased_by_key_and_by_request_and_noted(store) -> None:
    for number, key_id in ((1, "k_1"), (2, "k_1"), (3, "k_2"), (4, "k_2")):
        store.keep_capture(row(number, key_id))
    assert store.forget_captures(key_id="k_1", actor="cli:me") == 2
    assert store.forget_captures(capture_id="gen-3", actor="cli:me") == 1
    assert (
        store.forget_captures(capture_id="gen-1", actor="cli:me") == store.forget_captures(key_id="k_9") == 0
    )
    assert ids(store) == ["gen-4"]
    noted = [(each.actor, each.action, each.target, each.detail) for each in store.audit()]
    assert noted == [
        ("cli:me", "capture.forget", "gen-3", '{"erased":1}'),
        ("cli:me", "capture.forget", "k_1", '{"erased":2}'),
    ]


def test_erased_it_is_in_no_file_any_more(store, tmp_path: Path) -> None:
    secret = b"nobody may read this " * 1000  # also on pages of its own
    store.keep_capture(row(1, body=secret))
    store.keep_capture(row(2, "k_2"))
    assert any(b"nobody may" in file.read_bytes() for file in tmp_path.iterdir())
    store.forget_captures(key_id="k_1")
    assert not any(b"nobody may" in file.read_bytes() for file in tmp_path.iterdir())


def test_the_oldest_expire_first_and_no_more_than_asked(store) -> None:
    for number in (5, 4, 3, 2, 1):
        store.keep_capture(row(number))
    assert store.expire_captures(1000) == 0
    assert store.expire_captures(1004, limit=3) == 3
    assert ids(store) == ["gen-5", "gen-4"]
    assert store.expire_captures(1004) == 1
    assert ids(store) == ["gen-5"]

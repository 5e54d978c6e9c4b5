"""What files are called, and how they are shown."""

from __future__ import annotations

import pytest

from tokenworks.api.file_card import attachment, card, expires_seconds, file_name, new_file
from tokenworks.errors import BadRequest


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("requests.jsonl", "requests.jsonl"),
        ("/etc/passwd", "passwd"),
        ("C:\\work\\in.jsonl", "in.jsonl"),
        ("../..", "file"),
        ("", "file"),
        (" \n", "file"),
        ("a\r\nb\0c.txt", "abc.txt"),
        ("<script>.html", "<script>.html"),
        ("x" * 300 + ".jsonl", "x" * 249 + ".jsonl"),
        ("报" * 200 + ".txt", "报" * 83 + ".txt"),
        ("x" * 300, "x" * 255),
        ("a." + "x" * 300, "a." + "x" * 253),
    ],
)
def test_names(given: str, name: str) -> None:
    assert file_name(given) == name
    assert len(file_name(given).encode()) <= 255


def test_no_name_escapes_its_header() -> None:
    told = attachment('a"; filename="b\r\nx: y报.html')
    assert told.isascii() and "\r" not in told and "\n" not in told
    assert told.startswith('attachment; filename="a__ filename__b__x_ y_.html"; filename*=UTF-8')
    assert told.count('"') == 2


def test_how_long_files_are_kept() -> None:
    day_us = 86_400_000_000
    assert new_file("k", "n", "batch", 5).expires_us == 5 + 30 * day_us
    assert new_file("k", "n", "user_data", 5).expires_us is None
    assert new_file("k", "n", "user_data", 5, 3600).expires_us == 5 + 3_600_000_000
    for seconds in (3599, 2_592_001, -1):
        with pytest.raises(BadRequest, match="3600 to 2592000"):
            expires_seconds(seconds)


def test_a_card() -> None:
    row = new_file("k", "n", "batch", 7_000_000, 3600, size=9)
    assert card(row) == {
        "id": row.id,
        "object": "file",
        "bytes": 9,
        "created_at": 7,
        "expires_at": 3607,
        "filename": "n",
        "purpose": "batch",
        "status": "uploaded",
        "status_details": None,
    }
    assert len(row.id) == len("file-") + 24

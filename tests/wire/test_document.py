"""Documents as data URLs, addresses or words."""

from __future__ import annotations

import pytest

from tokenworks.errors import BadRequest
from tokenworks.wire.conversation import File
from tokenworks.wire.document import as_text, data_url, file_of, name_of


@pytest.mark.parametrize(
    ("data", "file"),
    [
        ("data:application/pdf;base64,JVBE", File("a.pdf", media_type="application/pdf", data="JVBE")),
        ("https://example.com/a.pdf", File("a.pdf", url="https://example.com/a.pdf")),
        ("http://example.com/a,b", File("a.pdf", url="http://example.com/a,b")),
        ("data:;base64,", File("a.pdf")),
    ],
)
def test_what_file_data_may_be(data: str, file: File) -> None:
    assert file_of(data, "a.pdf") == file
    if file.data or file.url:
        assert data_url(file) == data


@pytest.mark.parametrize("data", ["JVBE", "data:text/plain,hello", "data:", "file:///etc/passwd", ""])
def test_what_file_data_may_not_be(data: str) -> None:
    with pytest.raises(BadRequest, match="'file_data' must be a data URL"):
        file_of(data, "a.pdf")


def test_a_document_of_plain_text_is_told_in_words() -> None:
    assert data_url(File("a.txt", text="Hi")) == ""
    assert as_text(File('a".txt', text="Hi")) == '<document name="a\'.txt">\nHi\n</document>'
    assert as_text(File(text="Hi")) == "Hi"


def test_every_document_has_a_name() -> None:
    assert name_of(File("a.pdf", media_type="application/pdf", data="x")) == "a.pdf"
    assert name_of(File(media_type="application/pdf", data="x")) == "document.pdf"

"""Encodings of files."""

import pytest

from tokenworks.batches.recipes.translate.decoding import decoded
from tokenworks.errors import BadRequest

TEXT = "“Naïve” café — 5 €, he said.\r\nNext line."
CHINESE = "凡是有产业的单身汉，必定需要娶位太太，这已经成了一条举世公认的真理。" * 3


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_a_text_is_the_same_in_every_encoding(encoding: str) -> None:
    assert decoded(TEXT.encode(encoding)) == TEXT


def test_chinese_of_old_files_and_a_declared_encoding() -> None:
    assert decoded(CHINESE.encode("gb18030")) == CHINESE
    page = '<html><head><meta charset="koi8-r"></head>Привет</html>'
    assert decoded(page.encode("koi8-r"), markup=True) == page
    assert decoded('<?xml version="1.0" encoding="ascii"?><p>é</p>'.encode("cp1252"), markup=True)[-5] == "é"
    wrong = '<meta charset="shift_jis"><p>é'  # says what it is not
    assert decoded(wrong.encode("cp1252"), markup=True).endswith("é")
    assert decoded('<meta charset="no-such">é'.encode(), markup=True).endswith("é")


def test_a_file_that_was_cut_within_a_sign_is_read_up_to_there() -> None:
    assert decoded("Tür und Tür".encode()[:-2]) == "Tür und T"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b" \r\n\t", "empty"),
        (b"\0" * 500, "empty"),
        (b"\xef\xbb\xbf \n", "empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 8, "binary"),
        (b"\x7fELF\x02\x01\x01" + bytes(64) + b"\x01\x02\x03" * 100, "binary"),
    ],
)
def test_what_is_no_text_is_refused_with_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        decoded(data)

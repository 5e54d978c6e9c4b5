"""What a page says of itself."""

import pytest

from tokenworks.batches.recipes.translate import pages


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ('<html lang="en" xml:lang="en"><p lang="fr">', '<html lang="de" xml:lang="de"><p lang="fr">'),
        ("<!DOCTYPE html><HTML lang=en>", '<!DOCTYPE html><HTML lang="de">'),
        ('<html class="x">', '<html lang="de" class="x">'),
        ("<p>no root</p>", "<p>no root</p>"),
    ],
)
def test_language(source: str, made: str) -> None:
    assert pages.with_language(source, "de", xml=False) == made


def test_language_of_xml_is_told_twice() -> None:
    assert pages.with_language("<html>", "de", xml=True) == '<html lang="de" xml:lang="de">'


def test_lines_begin_where_they_do_in_that_language() -> None:
    assert pages.with_language("<html>", "ar", xml=False) == '<html dir="rtl" lang="ar">'
    right = '<html dir="rtl" lang="he">'
    assert pages.with_language(right, "de", xml=False) == '<html dir="ltr" lang="de">'
    assert pages.with_language(right, "fa", xml=False) == '<html dir="rtl" lang="fa">'


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ('<meta charset="windows-1252">', '<meta charset="utf-8">'),
        (
            '<meta http-equiv="C" content="text/html; charset=big5">',
            '<meta http-equiv="C" content="text/html; charset=utf-8">',
        ),
        ('<?xml version="1.0" encoding="utf-16"?>', '<?xml version="1.0" encoding="utf-8"?>'),
        ('<meta charset="UTF-8"><p>charset=big5</p>', '<meta charset="UTF-8"><p>charset=big5</p>'),
    ],
)
def test_encoding(source: str, made: str) -> None:
    assert pages.in_utf8(source) == made

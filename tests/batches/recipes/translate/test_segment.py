"""Placeholders: what may happen to them, and their markup again."""

import pytest

from tokenworks.batches.recipes.translate.segment import Tag, fault, protected, put, readable, replaced

SOURCE = "See <1>the <2>old</2> house</1> <3/> now"


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ("Sieh <1>das <2>alte</2> Haus</1> <3/> jetzt", ""),
        ("<3/> Sieh <2>alte</2> <1>Haus</1>", ""),  # another order is another language's right
        ("Sieh <1>das <2>alte</2> Haus</1> jetzt", "<3/> is missing"),
        ("Sieh <1>das <2>alte</2> Haus <3/> jetzt", "</1> is missing"),
        ("Sieh <1>das <2>alte</1> Haus</2> <3/> jetzt", "wrong place"),
        ("Sieh </1>das <2>alte</2> Haus<1> <3/> jetzt", "wrong place"),
        ("Sieh <1>das <2>alte</2> Haus</1> <3/> <3/> jetzt", "too often"),
        ("Sieh <1>das <2>alte</2> Haus</1> <3/> jetzt <4/>", "too often"),
    ],
)
def test_placeholders_must_come_back_each_once_and_nested(said: str, wrong: str) -> None:
    found = fault(SOURCE, said)
    assert wrong in found
    assert bool(found) == bool(wrong)


def test_markup_comes_back_and_words_are_escaped() -> None:
    tags = (Tag("<b>", "</b>"), Tag("<i>", "</i>"), Tag("<br/>"))
    made = put("a <1>b < <2>c</2></1> <3/>", tags, lambda words: words.replace("<", "&lt;"))
    assert made == "a <b>b &lt; <i>c</i></b> <br/>"


def test_words_that_look_like_placeholders_are_put_aside() -> None:
    tags: list[Tag] = [Tag("<b>", "</b>")]
    text = protected("type <1> or </2> here", tags)
    assert text == "type <2/> or <3/> here"
    assert put(text, tags, str) == "type <1> or </2> here"


def test_spans_are_replaced_and_the_rest_stays() -> None:
    assert replaced("abcdef", [(1, 2, "XX"), (4, 4, "-")]) == "aXXcd-ef"
    assert readable("a <1>b</1><2/> c") == "a b c"

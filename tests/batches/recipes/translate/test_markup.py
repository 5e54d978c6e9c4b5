"""Tokens of HTML."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks.batches.recipes.translate.markup import attributes, tokens

BITS = [
    "<p>",
    "</p>",
    "<b class='x>y'>",
    "<br/>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<script>",
    "</script>",
    "<?x",
    "?>",
    '<a "',
    "<",
    ">",
    "text",
    "&amp;",
    "</",
    "<svg:g>",
    "<!DOCTYPE html>",
    '"',
    "'",
    "\n",
    "<title>",
]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(BITS), max_size=30).map("".join) | st.text(max_size=40))
def test_tokens_are_the_whole_source(source: str) -> None:
    told = tokens(source)
    assert "".join(source[each.start : each.end] for each in told) == source


def test_kinds() -> None:
    source = '<!-- <p> --><P a="1>2">x<br>y</P><script>a<b</script><i/>'
    told = [(each.kind, each.name) for each in tokens(source)]
    assert told == [
        ("aside", ""), ("start", "p"), ("text", ""), ("empty", "br"), ("text", ""), ("end", "p"),
        ("start", "script"), ("raw", "script"), ("end", "script"), ("empty", "i"),
    ]  # fmt: skip


def test_attributes() -> None:
    assert attributes("<a HREF='x y' id=z checked title=\"&lt;\">") == {
        "href": "x y", "id": "z", "checked": "", "title": "&lt;",
    }  # fmt: skip


@pytest.mark.parametrize(
    "piece", ['<a "', "<a b='", "<!--", "<", "<![CDATA[", "<p", "<?", "<!d[", "<a b=\"'"]
)
def test_no_text_takes_long(piece: str) -> None:
    began = time.perf_counter()
    tokens(piece * 20_000)
    assert time.perf_counter() - began < 2

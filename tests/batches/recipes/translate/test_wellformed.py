"""Broken pages made whole."""

import time
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks.batches.recipes.translate import wellformed

BITS = [
    "<p>",
    "</p>",
    "<b>",
    "</b>",
    "<b class='x>y'>",
    "<br>",
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
    "&nbsp;",
    "&nope;",
    "&#0;",
    "&",
    "</",
    "<svg:g>",
    "<zz:q yy:a='1'>",
    "<!DOCTYPE html>",
    '"',
    "'",
    "\n",
    "<li>",
    "<td>",
    "<html>",
    "</html>",
    "<body>",
    "\x0c",
    "</body>",
    "<a b=1 b=2>",
    "<x --a=1>",
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(BITS), max_size=30).map("".join))
def test_whatever_stands_there_becomes_well_formed(source: str) -> None:
    assert wellformed.fault(wellformed.repaired(source)) == ""


@pytest.mark.parametrize(
    ("body", "made"),
    [
        ("<p>one<p>two", "<p>one</p><p>two</p>"),
        ("<p>a <b>b <i>c</b> d</i></p>", "<p>a <b>b <i>c</i></b> d</p>"),
        (
            "<p>Tom & Jerry &nbsp;&copy; &bogus; 3 < 4</p>",
            "<p>Tom &amp; Jerry \xa0© &amp;bogus; 3 &lt; 4</p>",
        ),
        ("<img src=a.png alt>", '<img src="a.png" alt="alt"/>'),
        ("<ul><li>a<li>b</ul>", "<ul><li>a</li><li>b</li></ul>"),
        ('<p id="a" id="b">x</p></div>', '<p id="a">x</p>'),
        ("<p>x\x01y</p><!-- a -- b -->", "<p>xy</p><!-- a - - b -->"),
        ('<p>"open <a href="x>link</a></p>', None),
    ],
)
def test_repairs(body: str, made: str | None) -> None:
    source = (
        f'<html xmlns="http://www.w3.org/1999/xhtml"><head><title>t</title></head><body>{body}</body></html>'
    )
    assert wellformed.fault(source)
    whole = wellformed.repaired(source)
    root = ET.fromstring(whole)
    assert "open link" in "".join(root.itertext()).replace('"', "") if made is None else made in whole


def test_prefixes_get_their_names_and_what_has_no_root_gets_one() -> None:
    page = wellformed.repaired('<html><body epub:type="x"><p>a<svg:svg/></body></html>')
    assert ET.fromstring(page).tag == "{http://www.w3.org/1999/xhtml}html"
    bare = wellformed.repaired("<p>one</p><p>two</p>")
    assert "".join(ET.fromstring(bare).itertext()) == "-onetwo"


def test_a_whole_page_has_no_fault() -> None:
    page = '<?xml version="1.0" encoding="utf-16"?><html><p>x</p></html>'
    assert wellformed.fault(page) == ""
    assert "&nbsp;" in wellformed.fault("<p>&nbsp;</p>")
    assert "line 1" in wellformed.fault("<p>")


def test_a_package_keeps_elements_that_html_would_leave_empty() -> None:
    made = wellformed.repaired("<package><meta property='a'>2026</meta><x></package>", page=False)
    assert ET.fromstring(made).findtext("meta") == "2026"


@pytest.mark.parametrize("piece", ["<b>", "<b></i>", "<p>x", "&", '<a "'])
def test_no_page_takes_long(piece: str) -> None:
    began = time.perf_counter()
    wellformed.repaired(piece * 5_000)
    assert time.perf_counter() - began < 2

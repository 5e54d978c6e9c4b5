"""HTML and XML."""

import time

import pytest

from tokenworks.batches.recipes.generate.markup import html_fault, xml_fault


def test_html_as_people_write_it() -> None:
    assert (
        html_fault("<!doctype html><html><body><ul><li>a<li>b</ul><p>x<p>y<br><img src='a>b'/></body>") == ""
    )
    assert html_fault("<div><script>if (a < b) { s = '<div>' }</script></div>") == ""
    assert html_fault("<div>\n<span></div>").startswith("</div> in line 2 without <div>, <span> of line 2")
    assert html_fault("<p>\n<div>") == "<div> in line 2 is never closed"
    assert html_fault("<b></i></b>").startswith("</i> in line 1 without <i>")
    assert html_fault("just words") == "there is no tag in it"


def test_xml() -> None:
    assert xml_fault("<a><b/>é</a>") == ""
    assert xml_fault("<a>\n<b></a>") == "mismatched tag in line 2"
    assert xml_fault('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>') == ""


PIECES = [
    "<",
    "<!",
    "<a ",
    "<a b='",
    '<a b="',
    "<!--",
    "<?",
    "<![CDATA[",
    "</",
    "<script>",
    "<div>",
    "</li>",
    "<a/",
]


@pytest.mark.parametrize("piece", PIECES)
def test_no_text_takes_for_ever(piece: str) -> None:
    began = time.process_time()
    html_fault(piece * 10_000)
    assert time.process_time() - began < 1.0

"""A page and a book with the markup that real ones have."""

from __future__ import annotations

from pathlib import Path

from making_books import book, contents, package, page

NASTY = """<section epub:type="chapter" id="c1"><h1 id="t1"><span class="n">Chapter 1</span></h1>
<p class="first" id="p1">
<span class="drop">I</span>t was <em>quite</em> a <a href="two.xhtml#x" title="a &amp; b">
<b>long <i>way</i></b></a> home<sup><a epub:type="noteref" href="#n1">1</a></sup>, and they
had 1,250 miles to go.</p>
<p>Tom &amp; Mary saw <img src="pic%20one.png" alt="A dog"/> there;
<code>x &lt; y</code> was written on it.</p>
<pre>nothing  here
   is <b>touched</b></pre>
<ul><li>milk and bread</li>
<li>two <strong>old</strong> books<ul><li>in the bag</li></ul></li></ul>
<table><tr><td>Name of it</td><td>42</td></tr></table>
<p>He wrote &lt;1&gt; and &lt;/2&gt; on the wall.</p><hr/><p>* * *</p>
<!-- a comment --><aside id="n1" epub:type="footnote"><p>A note about that.</p></aside>
<svg xmlns="http://www.w3.org/2000/svg"><text>drawn words</text></svg></section>"""
SECOND = "<h1>Chapter 2</h1><p>Then they slept.<br/>All of them slept well.</p>"


def nasty_book(path: Path, **files: str) -> Path:
    """A whole EPUB of two chapters with both tables of contents."""
    return book(
        path,
        {
            "OEBPS/book.opf": package(["one.xhtml", "two.xhtml"]),
            "OEBPS/one.xhtml": page(NASTY),
            "OEBPS/two.xhtml": page(SECOND),
            **contents({"one.xhtml": "Chapter 1", "two.xhtml": "Chapter 2"}),
            **files,
        },
    )


PAGE = """<!DOCTYPE html>
<html lang=en><head><meta charset="windows-1252"><title>Not this</title><style>p { color: red }</style>
<script>var words = "leave these alone";</script></head>
<body class=main>
<h1>A page</h1>
<p>One <b>bold <i>both</b> crossed</i> word.
<p>Unclosed &nbsp;caf\u00e9 &euro; 3,000<br><br>After a break & more
<div>loose text <p>inside</div>
<a href=x>link one</a> | <a href='y'>link two</a>
<pre>  keep   this </pre>
<p translate=no>Acme Ltd.
<img src=a.png alt=x><p title="a > b">Last one
</body></html>
"""

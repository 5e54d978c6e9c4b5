"""Books in EPUB for tests, whole ones and broken ones, and what a valid one must be."""

from __future__ import annotations

import posixpath
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

CONTAINER = """<?xml version="1.0"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles>
</container>"""
HTML = "{http://www.w3.org/1999/xhtml}"
OPF = "{http://www.idpf.org/2007/opf}"
DC = "{http://purl.org/dc/elements/1.1/}"
CELLS = "{urn:oasis:names:tc:opendocument:xmlns:container}"


def page(body: str, title: str = "A page") -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html>\n<html xmlns="http://www.w3.org/1999/xhtml" '
        f'xmlns:epub="http://www.idpf.org/2007/ops" lang="en" xml:lang="en">\n<head><title>{title}</title>'
        f'<link rel="stylesheet" href="style.css"/></head>\n<body>\n{body}\n</body>\n</html>\n'
    )


def package(pages: list[str], *, more: str = "", spine: str = "", language: str = "en") -> str:
    items = "".join(
        f'<item id="p{n}" href="{name}" media-type="application/xhtml+xml"/>\n'
        for n, name in enumerate(pages)
    )
    order = "".join(f'<itemref idref="p{n}"/>' for n in range(len(pages)))
    return f"""<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:identifier id="id">urn:x:1</dc:identifier><dc:title>A book of pages</dc:title>
<dc:language id="l">{language}</dc:language><meta property="dcterms:modified">2026-01-01T00:00:00Z</meta>
</metadata>
<manifest>
{items}<item id="css" href="style.css" media-type="text/css"/>
<item id="pic" href="pic%20one.png" media-type="image/png"/>
<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>
{more}</manifest>
<spine toc="ncx">{order}{spine}</spine>
</package>"""


def contents(titles: Mapping[str, str]) -> dict[str, str]:
    """Both tables of contents."""
    lines = "".join(f'<li><a href="{href}">{title}</a></li>' for href, title in titles.items())
    points = "".join(
        f'<navPoint id="n{n}" playOrder="{n}"><navLabel><text>{title}</text></navLabel>'
        f'<content src="{href}"/></navPoint>'
        for n, (href, title) in enumerate(titles.items(), 1)
    )
    return {
        "OEBPS/nav.xhtml": page(f'<nav epub:type="toc"><h1>Contents of this book</h1><ol>{lines}</ol></nav>'),
        "OEBPS/toc.ncx": '<?xml version="1.0"?>\n'
        '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/" version="2005-1">'
        f"<head/><docTitle><text>A book of pages</text></docTitle><navMap>{points}</navMap></ncx>",
    }


def book(path: Path, files: Mapping[str, str | bytes], *, first: str = "mimetype") -> Path:
    """Packs a book of ``files``, which stand over the usual ones; an empty name leaves one of those out."""
    usual: dict[str, str | bytes] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/style.css": "p { margin: 0 }",
        "OEBPS/pic one.png": b"\x89PNG\r\n\x1a\n",
    }
    every = {**usual, **files}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name in sorted(every, key=lambda each: each != first):
            if every[name] is not None:
                made.writestr(name, every[name])
    return path


def valid(path: Path) -> dict[str, str]:
    """The pages of a book by name. Fails where the book is none that a reader of EPUB may refuse."""
    with zipfile.ZipFile(path) as read:
        assert read.testzip() is None
        head = read.infolist()[0]
        assert (head.filename, head.compress_type, head.extra) == ("mimetype", zipfile.ZIP_STORED, b"")
        assert read.read("mimetype") == b"application/epub+zip"
        names = read.namelist()
        assert len(names) == len(set(names))
        files = {name: read.read(name) for name in names}
    root = ET.fromstring(files["META-INF/container.xml"])
    opf = root.find(f".//{CELLS}rootfile").attrib["full-path"]  # type: ignore[union-attr]
    told = ET.fromstring(files[opf])
    assert told.tag == f"{OPF}package"
    items = told.findall(f"{OPF}manifest/{OPF}item")
    ids = [item.attrib["id"] for item in items]
    assert len(ids) == len(set(ids))
    places = {
        i.attrib["id"]: posixpath.join(posixpath.dirname(opf), unquote(i.attrib["href"])) for i in items
    }
    assert not set(places.values()) - set(files), "listed but missing"
    order = [each.attrib["idref"] for each in told.findall(f"{OPF}spine/{OPF}itemref")]
    assert order and not set(order) - set(ids), "the spine names what isn't listed"
    assert told.find(f"{OPF}metadata/{DC}language") is not None
    pages = {}
    for item in items:
        if item.attrib["media-type"] in ("application/xhtml+xml", "application/x-dtbncx+xml"):
            text = files[places[item.attrib["id"]]].decode("utf-8")
            tree = ET.fromstring(text)
            there = [each.attrib["id"] for each in tree.iter() if "id" in each.attrib]
            assert len(there) == len(set(there)), f"an id stands twice in {item.attrib['href']}"
            if item.attrib["media-type"] == "application/xhtml+xml":
                assert tree.tag == f"{HTML}html"
            pages[places[item.attrib["id"]]] = text
    pages[opf] = files[opf].decode("utf-8")
    return pages

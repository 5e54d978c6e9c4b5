"""Books in EPUB: whole ones and broken ones."""

import zipfile
from pathlib import Path

import pytest
from making_books import book, contents, package, page, valid

from tokenworks.batches.recipes.translate import epub
from tokenworks.errors import BadRequest

ONE, TWO = page("<h1>One</h1><p>First words.</p>"), page("<h1>Two</h1><p>Other words.</p>")
NAMES = ["one.xhtml", "two.xhtml"]


def whole(path: Path, **more: str | bytes) -> Path:
    titles = contents({"one.xhtml": "One", "two.xhtml": "Two"})
    files = {"OEBPS/book.opf": package(NAMES), "OEBPS/one.xhtml": ONE, "OEBPS/two.xhtml": TWO, **titles}
    return book(path, {**files, **{name.replace("__", "/"): data for name, data in more.items()}})


def test_a_book_comes_back_valid_with_its_pages_in_order_and_all_else_as_it_was(tmp_path: Path) -> None:
    read = epub.read(whole(tmp_path / "a.epub"))
    assert [(each.name, each.contents) for each in read.pages] == [
        ("OEBPS/one.xhtml", False),
        ("OEBPS/two.xhtml", False),
        ("OEBPS/nav.xhtml", True),
        ("OEBPS/toc.ncx", True),
    ]
    assert read.notes == ()
    epub.write(read, {"OEBPS/one.xhtml": TWO}, "de", tmp_path / "b.epub")
    pages = valid(tmp_path / "b.epub")
    assert pages["OEBPS/one.xhtml"] == TWO
    assert '<dc:language id="l">de</dc:language>' in pages["OEBPS/book.opf"]
    assert pages["OEBPS/book.opf"].replace(">de<", ">en<") == package(NAMES)
    with zipfile.ZipFile(tmp_path / "a.epub") as old, zipfile.ZipFile(tmp_path / "b.epub") as new:
        assert set(old.namelist()) == set(new.namelist())
        assert new.read("OEBPS/pic one.png") == old.read("OEBPS/pic one.png")


def test_languages_stand_beside_each_other_or_are_added() -> None:
    both = epub.with_language(package([]), "de", beside=True)
    assert '<dc:language id="l">en</dc:language>\n    <dc:language>de</dc:language>' in both
    none = epub.with_language("<package><metadata></metadata></package>", "de", beside=False)
    assert none.count(">de</dc:language></metadata>") == 1


def test_broken_books_are_repaired_and_it_is_told(tmp_path: Path) -> None:
    extra = '<item id="lost" href="lost.xhtml" media-type="application/xhtml+xml"/>'
    opf = package(NAMES, more=extra, spine='<itemref idref="lost"/><itemref idref="ghost"/>')
    path = whole(
        tmp_path / "a.epub",
        **{
            "OEBPS/book.opf": opf.replace("A book of pages", "Pages & more").replace(
                "two.xhtml", "Two.XHTML"
            ),
            "OEBPS/one.xhtml": ONE.replace("</p>", "<br>&nbsp;more <b>bold").encode("cp1252"),
            "META-INF/container.xml": "<nothing/>",
            "OEBPS/toc.ncx": b"",
        },
    )
    read = epub.read(path)
    told = "; ".join(read.notes)
    expected = (
        "container.xml was made anew",
        "one.xhtml was repaired",
        "lost.xhtml is listed but missing",
        "'ghost', which is not listed",
        "book.opf was repaired",
        "toc.ncx can't be read: it is empty",
    )
    for what in expected:
        assert what in told
    epub.write(read, {each.name: each.source for each in read.pages}, "de", tmp_path / "b.epub")
    pages = valid(tmp_path / "b.epub")
    assert "more <b>bold" in pages["OEBPS/one.xhtml"] and "lost" not in pages["OEBPS/book.opf"]
    assert "2026-01-01T00:00:00Z</meta>" in pages["OEBPS/book.opf"]
    assert "OEBPS/Two.XHTML" in pages


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"OEBPS/book.opf": "<package/>"}, "no pages"),
        ({"META-INF/container.xml": ""}, "no package file"),
        (
            {
                "OEBPS/book.opf": package([]),
                "META-INF/encryption.xml": '<EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes"/>',
            },
            "DRM",
        ),
    ],
)
def test_books_of_which_nothing_can_be_made(tmp_path: Path, files: dict[str, str], why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        epub.read(book(tmp_path / "a.epub", files))


def test_hidden_fonts_are_no_protection(tmp_path: Path) -> None:
    told = '<e><EncryptionMethod Algorithm="http://www.idpf.org/2008/embedding"/></e>'
    path = whole(tmp_path / "a.epub", **{"META-INF/encryption.xml": told})
    assert len(epub.read(path).pages) == 4


def test_what_is_no_archive_or_half_of_one(tmp_path: Path) -> None:
    good = whole(tmp_path / "a.epub").read_bytes()
    for name, data in (("text", b"no zip at all"), ("half", good[: len(good) // 2]), ("torn", _torn(good))):
        path = tmp_path / f"{name}.epub"
        path.write_bytes(data)
        with pytest.raises(BadRequest, match="no whole EPUB"):
            epub.read(path)


def _torn(good: bytes) -> bytes:
    """With the packed bytes of a page spoilt."""
    at = good.index(b"OEBPS/one.xhtml") + 20
    return good[:at] + bytes(60) + good[at + 60 :]


def test_lines_of_old_contents() -> None:
    source = contents({"a": "One", "b": "Two"})["OEBPS/toc.ncx"]
    assert [source[start:end] for start, end in epub.labels(source)] == ["One", "Two"]

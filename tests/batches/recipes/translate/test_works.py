"""Files in paragraphs, and files again."""

import re
from pathlib import Path

import pytest
from making_books import valid
from nasty_files import PAGE, nasty_book
from toy_translator import toy

from tokenworks.batches.recipes.translate import works
from tokenworks.batches.recipes.translate.segment import PLACE
from tokenworks.errors import BadRequest


def toys(work: works.Work) -> dict[int, str]:
    return {number: toy(each.text) for number, each, _ in work.paragraphs()}


def test_a_page_keeps_everything_but_its_words(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(PAGE.encode("cp1252"))
    work = works.read(path)
    works.write(work, toys(work), "ru", tmp_path / "out.html", bilingual=False)
    made = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert '<html lang="ru">' in made and '<meta charset="utf-8">' in made
    assert "<pre>  keep   this </pre>" in made and 'var words = "leave these alone";' in made
    assert "<p translate=no>Acme Ltd." in made and "p { color: red }" in made
    assert f'<p title="a > b">{toy("Last one")}' in made
    assert f"<a href=x>{toy('link one')}</a> | <a href='y'>{toy('link two')}</a>" in made
    assert re.findall(r"</?[a-z][^>]*>", made) == re.findall(r"</?[a-z][^>]*>", _changed(PAGE))
    left = re.sub(
        r"<(style|script|pre|title)>.*?</\1>|<[^>]*>|Acme Ltd|&\w+;",
        "",
        made.replace("a > b", ""),
        flags=re.DOTALL,
    )
    assert not re.search("[A-Za-z]", left)


def _changed(page: str) -> str:
    return page.replace("lang=en", 'lang="ru"').replace("windows-1252", "utf-8")


def test_a_book_comes_back_with_its_markup(tmp_path: Path) -> None:
    work = works.read(nasty_book(tmp_path / "a.epub"))
    said = toys(work)
    works.write(work, said, "ru", tmp_path / "b.epub", bilingual=False)
    pages = valid(tmp_path / "b.epub")
    one = pages["OEBPS/one.xhtml"]
    assert 'lang="ru" xml:lang="ru"' in one
    assert '<a href="two.xhtml#x" title="a &amp; b"> <b>' in one
    assert f'<sup><a epub:type="noteref" href="#n1">1</a></sup>, {toy("and they had")} 1,250' in one
    assert "<code>x &lt; y</code>" in one and "nothing  here\n   is <b>touched</b></pre>" in one
    assert "&lt;1&gt;" in one and "<svg" in one and "drawn words" in one and "<!-- a comment -->" in one
    assert f"<text>{toy('Chapter')} 1</text>" in pages["OEBPS/toc.ncx"]
    assert "<docTitle><text>A book of pages</text>" in pages["OEBPS/toc.ncx"]


@pytest.mark.parametrize("name", ["page.html", "book.epub"])
def test_both_languages_and_marks_of_what_failed(tmp_path: Path, name: str) -> None:
    path = nasty_book(tmp_path / name) if name.endswith("epub") else tmp_path / name
    if not name.endswith("epub"):
        path.write_text(PAGE, encoding="utf-8")
    work = works.read(path)
    said = toys(work)
    del said[2]
    works.write(work, said, "ru", tmp_path / f"out-{name}", bilingual=True)
    if name.endswith("epub"):
        pages = valid(tmp_path / f"out-{name}")
        assert "<dc:language>ru</dc:language>" in pages["OEBPS/book.opf"]
        text = "".join(pages.values())
        assert 'xml:lang="en"' in pages["OEBPS/one.xhtml"]
    else:
        text = (tmp_path / f"out-{name}").read_text(encoding="utf-8")
    assert text.count(works.FAILED) == 1
    for number, each, _ in work.paragraphs():
        words = PLACE.split(each.text)[0].replace("\xa0", "&").partition("&")[0].strip()
        assert words in text
        if number != 2:
            assert toy(words) in text


def test_lines_of_contents_are_the_headings_that_they_repeat(tmp_path: Path) -> None:
    work = works.read(nasty_book(tmp_path / "a.epub"))
    texts = {number: each.text for number, each, _ in work.paragraphs()}
    same = work.same()
    assert len(same) == 4  # two chapters, in two tables
    assert all(texts[one] == texts[other] for one, other in same.items())


def test_text_and_markdown_in_both_languages(tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_bytes("Chapter 1\r\n\r\nOne two.\r\n".encode("utf-16"))
    work = works.read(text)
    works.write(work, toys(work), "ru", tmp_path / "b.txt", bilingual=True)
    assert (tmp_path / "b.txt").read_bytes().decode() == (
        f"Chapter 1\r\n\r\n{toy('Chapter')} 1\r\n\r\nOne two.\r\n\r\n{toy('One two.')}\r\n"
    )
    mark = tmp_path / "a.md"
    mark.write_text("# Top\n\n- one [two](x)\n- three\n\n> four\n\n| a b | c |\n|---|---|\n")
    work = works.read(mark)
    works.write(work, toys(work), "ru", tmp_path / "b.md", bilingual=True)
    assert (tmp_path / "b.md").read_text() == (
        f"# Top / {toy('Top')}\n\n- one [two](x)\n\n  {toy('one')} [{toy('two')}](x)\n"
        f"- three\n\n  {toy('three')}\n\n> four\n>\n> {toy('four')}\n\n"
        f"| a b / {toy('a b')} | c / {toy('c')} |\n|---|---|\n"
    )


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.txt", b"", "empty"),
        ("a.epub", b"", "empty"),
        ("a.txt", bytes(range(256)) * 4, "binary"),
        ("a.html", b"<p>12</p>", "no words"),
        ("a.pdf", b"%PDF", "can't be translated"),
        ("a", b"x y", "without a suffix"),
        ("missing.txt", None, "can't be read"),
    ],
)
def test_files_of_which_nothing_can_be_made(tmp_path: Path, name: str, data: bytes | None, why: str) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(BadRequest, match=why):
        works.read(path)

"""Documents as pages of text: PDF, HTML and plain text."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Protocol

from tokenworks.batches.recipes.extract.pdf import Pdf
from tokenworks.batches.recipes.extract.unreadable import Unreadable

SUFFIXES = (".pdf", ".html", ".htm", ".md", ".txt")
LARGEST_BYTES = 200 * 1024 * 1024
PAGE_ROWS = 60  # of a text without page breaks; it is cut at the next empty line
LONGEST_PAGE = 150  # rows, where there is no empty line
_BREAK = re.compile(r"(?:page-)?break-(before|after)\s*:\s*(?:always|page)", re.IGNORECASE)
_BLOCKS = {
    "p",
    "div",
    "tr",
    "li",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "table",
    "br",
    "hr",
    "section",
    "title",
}
_UNSEEN = {"script", "style", "head", "template", "noscript"}


class Document(Protocol):
    """A document that is open."""

    def texts(self) -> list[str]:
        """Text of each page. Raises ``Unreadable`` where there is none at all."""

    def rows(self, page: int) -> list[str]:
        """Rows of ``page``, counted from 1; a row of a table is one of them."""

    def close(self) -> None:
        """Let the file go."""


class Text:
    """Plain text: pages at form feeds, else pieces of about ``PAGE_ROWS`` rows."""

    def __init__(self, text: str) -> None:
        self._pages = [page for page in text.split("\f") if page.strip()] if "\f" in text else _pieces(text)

    def texts(self) -> list[str]:
        """Text of each page."""
        if not self._pages:
            raise Unreadable("holds no text")
        return self._pages

    def rows(self, page: int) -> list[str]:
        """Rows of ``page``; bars of a table in Markdown are left out."""
        lines = (line.replace("|", " ") for line in self._pages[page - 1].splitlines())
        return [row for line in lines if (row := " ".join(line.split())) and set(row) - set("-: ")]

    def close(self) -> None:
        """Nothing is open."""


@contextlib.contextmanager
def opened(file: Path) -> Iterator[Document]:
    """The document in ``file``. Raises ``Unreadable`` for one of which nothing can be made."""
    document = _open(file)
    try:
        yield document
    finally:
        document.close()


def names_of(files: Sequence[Path]) -> list[str]:
    """What each file is called in results: its name, or its path where two have one name."""
    names = [file.name for file in files]
    return [n if names.count(n) == 1 else str(f) for n, f in zip(names, files, strict=True)]


def _open(file: Path) -> Document:
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise Unreadable(f"is none of {', '.join(SUFFIXES)}")
    try:
        size = file.stat().st_size
        if not size:
            raise Unreadable("is empty: 0 bytes")
        if size > LARGEST_BYTES:
            raise Unreadable(f"has {size / 2**20:.0f} MiB, more than {LARGEST_BYTES // 2**20}; split it")
        if suffix == ".pdf":
            return Pdf(file)
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("is no text in UTF-8; save it so") from error
    except OSError as error:
        raise Unreadable(f"can't be read: {error.strerror or error}") from error
    return Text(_of_html(text) if suffix in (".html", ".htm") else text)


def _pieces(text: str) -> list[str]:
    pages: list[str] = []
    page: list[str] = []
    for line in text.splitlines():
        page.append(line)
        if (len(page) >= PAGE_ROWS and not line.strip()) or len(page) >= LONGEST_PAGE:
            pages.append("\n".join(page))
            page = []
    return [page for page in [*pages, "\n".join(page)] if page.strip()]


class _Reader(HTMLParser):
    """Rows of tables stay one line; page breaks by style become form feeds."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self._after: list[str] = []  # elements that a page break follows
        self._unseen = 0
        self._cells = 0  # tables within cells stay in their row

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._unseen += 1
        style = next((value or "" for name, value in attrs if name == "style"), "")
        if match := _BREAK.search(style):
            if match[1] == "before" or tag == "hr":
                self.out.append("\f")
            else:
                self._after.append(tag)
        if tag in ("td", "th"):
            self._cells += 1
            self.out.append(" ")
        elif tag in _BLOCKS:
            self.out.append(" " if self._cells and tag != "tr" else "\n")

    def handle_endtag(self, tag: str) -> None:
        if self._after and self._after[-1] == tag:
            self._after.pop()
            self.out.append("\f")
        if tag in _UNSEEN:
            self._unseen = max(self._unseen - 1, 0)
        if tag in ("td", "th"):
            self._cells = max(self._cells - 1, 0)
        elif tag == "tr":
            self._cells = 0
            self.out.append("\n")
        elif tag in _BLOCKS and not self._cells:
            self.out.append("\n\n" if tag in ("table", "p") else "\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.out.append(" ".join(data.split()) if self._cells else data)


def _of_html(text: str) -> str:
    reader = _Reader()
    reader.feed(text)
    reader.close()
    lines = (" ".join(line.split(" ")) for line in "".join(reader.out).split("\n"))
    return "\n".join(lines)

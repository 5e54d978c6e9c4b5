"""A file to be translated: its paragraphs in one row, and the file again out of their translations."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tokenworks.batches.recipes.translate import blocks, epub, markdown, pages, plain, segment
from tokenworks.batches.recipes.translate.decoding import decoded
from tokenworks.batches.recipes.translate.segment import LETTER, Document, Segment
from tokenworks.errors import BadRequest

KINDS = {
    ".txt": ("text", "text/plain"),
    ".md": ("markdown", "text/markdown"),
    ".markdown": ("markdown", "text/markdown"),
    ".html": ("html", "text/html"),
    ".htm": ("html", "text/html"),
    ".xhtml": ("html", "application/xhtml+xml"),
    ".epub": ("epub", epub.MIME),
}
FAILED = "[⚠ untranslated] "  # before a paragraph that kept its original words


class Text(msgspec.Struct, frozen=True):
    """One text of a file: all of a plain file, a page of a book."""

    name: str  # within a book
    kind: str  # "text", "markdown", "html", "labels" (of a table of contents)
    document: Document
    contents: bool = False


class Work(msgspec.Struct, frozen=True):
    """A file. Paragraphs are numbered from 1 through all its texts, in order."""

    kind: str
    texts: tuple[Text, ...]
    book: epub.Book | None = None
    notes: tuple[str, ...] = ()

    def paragraphs(self) -> list[tuple[int, Segment, Text]]:
        """All of them with their numbers."""
        every = [(each, text) for text in self.texts for each in text.document.segments]
        return [(number, each, text) for number, (each, text) in enumerate(every, 1)]

    def same(self) -> dict[int, int]:
        """Lines of a table of contents that stand elsewhere too: their numbers, and whose they repeat."""
        first: dict[str, int] = {}
        found: dict[int, int] = {}
        for number, each, text in self.paragraphs():
            words = segment.readable(each.text).casefold()
            if text.contents and not each.tags and words in first:
                found[number] = first[words]
            else:
                first.setdefault(words, number)
        return found


def read(path: Path) -> Work:
    """The file in paragraphs. Raises ``BadRequest`` (one line: why) for one of which nothing can be made."""
    kind = KINDS.get(path.suffix.lower(), ("", ""))[0]
    if not kind:
        raise BadRequest(
            f"{path.suffix or 'a file without a suffix'} can't be translated: only {', '.join(KINDS)}"
        )
    try:
        if kind == "epub":
            if path.stat().st_size == 0:
                raise BadRequest("it is empty")
            work = _book(epub.read(path))
        else:
            source = decoded(path.read_bytes(), markup=kind == "html")
            reader = {"text": plain.read, "markdown": markdown.read, "html": blocks.read}[kind]
            work = Work(kind, (Text("", kind, reader(source)),))
    except OSError as error:
        raise BadRequest(f"it can't be read: {error.strerror or error}") from error
    if not any(text.document.segments for text in work.texts):
        raise BadRequest("it has no words to translate")
    return work


def write(work: Work, said: Mapping[int, str], language: str, path: Path, *, bilingual: bool) -> None:
    """The file with translations by paragraph number; those that have none are marked."""
    made: dict[str, str] = {}
    number = 0
    for text in work.texts:
        spans = []
        newline = "\r\n" if "\r\n" in text.document.source else "\n"
        for each in text.document.segments:
            number += 1
            spans.append(_span(text, each, said.get(number), language if bilingual else "", newline))
        source = segment.replaced(text.document.source, spans)
        if text.kind == "html":
            source = pages.in_utf8(source)
            if not bilingual:
                source = pages.with_language(source, language, xml=work.kind == "epub")
        elif text.kind == "labels":
            source = pages.in_utf8(source)
        made[text.name] = source
    if work.book is None:
        path.write_bytes(made[""].encode("utf-8", "replace"))
    else:
        epub.write(work.book, made, language, path, beside=bilingual)


def _book(book: epub.Book) -> Work:
    texts = []
    for page in book.pages:
        if page.kind == epub.CONTENTS:
            found = [
                Segment(start, end, words)
                for start, end in epub.labels(page.source)
                if LETTER.search(words := " ".join(html.unescape(page.source[start:end]).split()))
                and not segment.PLACE.search(words)
            ]
            texts.append(Text(page.name, "labels", Document(page.source, tuple(found)), contents=True))
        else:
            texts.append(Text(page.name, "html", blocks.read(page.source), page.contents))
    return Work("epub", tuple(texts), book, book.notes)


def _span(text: Text, each: Segment, said: str | None, beside: str, newline: str) -> tuple[int, int, str]:
    """Its translation, or both (``beside``: the code), or a mark before the original."""
    original = text.document.source[each.start : each.end]
    if said is None or segment.fault(each.text, said):
        return each.start, each.end, FAILED + original
    if text.kind == "html":
        return blocks.write(each, text.document.source, said, beside)
    if text.kind == "labels":
        words = html.escape(segment.readable(said), quote=False)
        return each.start, each.end, f"{original} / {words}" if beside else words
    if text.kind == "markdown":
        made = markdown.write(each, said)
        return each.start, each.end, _beside(text, each, original, made, newline) if beside else made
    made = plain.write(each, said, newline)
    return each.start, each.end, f"{original}{newline * 2}{made}" if beside else made


def _beside(text: Text, each: Segment, original: str, made: str, newline: str) -> str:
    """In Markdown it follows under the same quote or item; in a heading or table it shares the line."""
    source = text.document.source
    lead = source[max(source.rfind("\n", 0, each.start), source.rfind("\r", 0, each.start)) + 1 : each.start]
    after = source[each.end : each.end + 200].split("\n")[0]
    if each.heading or "#" in lead or "|" in lead + after:
        return f"{original} / {made}"
    indent = re.sub(r"[^>\s]", " ", lead)
    return f"{original}{newline}{indent.rstrip()}{newline}{indent}{made}"

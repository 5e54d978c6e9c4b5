"""EPUB: which files of it people read, and a valid one out of those translated."""

from __future__ import annotations

import html
import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

import msgspec

from tokenworks.batches.recipes.translate import wellformed
from tokenworks.batches.recipes.translate.decoding import decoded
from tokenworks.batches.recipes.translate.markup import Token, attributes, tokens
from tokenworks.batches.recipes.translate.pages import in_utf8
from tokenworks.batches.recipes.translate.segment import replaced
from tokenworks.errors import BadRequest

MIME = "application/epub+zip"
LARGEST = 1 << 30  # bytes of all files together, unpacked
PAGE, CONTENTS = "application/xhtml+xml", "application/x-dtbncx+xml"
_FONTS = (
    "http://www.idpf.org/2008/embedding",
    "http://ns.adobe.com/pdf/enc#RC",
)  # hidden fonts, no protection
_EMPTY = '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>-</title></head><body></body></html>'


class Page(msgspec.Struct, frozen=True):
    """A file of a book that people read. ``contents``: a table whose lines stand elsewhere too."""

    name: str
    source: str
    kind: str  # PAGE or CONTENTS
    contents: bool


class Book(msgspec.Struct, frozen=True):
    """A book as it is, but for repairs. ``notes`` say what was repaired, a line each."""

    files: dict[str, bytes]
    package: str  # name of the file that lists the others
    package_source: str
    pages: tuple[Page, ...]  # in the order of reading, tables of contents last
    notes: tuple[str, ...]


def read(path: Path) -> Book:
    """The book. Raises ``BadRequest`` (one line: why) for one of which nothing can be made."""
    files = _unpacked(path)
    _unprotected(files)
    notes: list[str] = []
    package = _package(files, notes)
    source = _well_formed(package, decoded(files[package], markup=True), notes, page=False)
    items, order = _listed(source)
    source = _without_missing(source, package, items, files, notes)
    items, order = _listed(source)
    if not order:
        notes.append("it has no order of reading (spine): its pages are taken as they are listed")
    named = {each["id"]: each for each in items if "id" in each}
    first = [named[ref] for ref in order if ref in named]
    pages: dict[str, Page] = {}
    for item in [*first, *items]:
        name, kind = _place(package, item.get("href", "")), item.get("media-type", "")
        if name in files and name not in pages and kind in (PAGE, CONTENTS, "text/html"):
            text = _page(name, files[name], notes, page=kind != CONTENTS)
            contents = kind == CONTENTS or "nav" in item.get("properties", "").split()
            pages[name] = Page(name, text, CONTENTS if kind == CONTENTS else PAGE, contents)
    if not pages:
        raise BadRequest("it has no pages that could be read")
    read_last = sorted(pages.values(), key=lambda page: page.contents)
    return Book(files, package, source, tuple(read_last), tuple(notes))


def write(book: Book, sources: Mapping[str, str], language: str, path: Path, *, beside: bool = False) -> None:
    """The book with other ``sources`` of its pages, in ``language``; ``beside``: as well as in its own."""
    package = in_utf8(with_language(book.package_source, language, beside=beside))
    texts = {**sources, book.package: package}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(zipfile.ZipInfo("mimetype"), MIME, zipfile.ZIP_STORED)
        for name, data in book.files.items():
            if name != "mimetype":
                whole = texts[name].encode("utf-8") if name in texts else data
                made.writestr(zipfile.ZipInfo(name), whole, zipfile.ZIP_DEFLATED)


def with_language(package: str, language: str, *, beside: bool) -> str:
    """The package file with this language."""
    told = tokens(package)
    spans: list[tuple[int, int, str]] = []
    for index, token in enumerate(told):
        local = token.name.rpartition(":")[2]
        if local == "language" and token.kind == "start":
            last = _end_of(told, index)
            old = package[told[index].end : told[last].start]
            end = package[told[last].start : told[last].end]
            if not spans:
                tag = re.sub(r'\sid\s*=\s*("[^"]*"|\'[^\']*\')', "", package[token.start : token.end])
                new = f"{old}{end}\n    {tag}{language}" if beside else language
                spans.append((token.end, told[last].start, new))
        elif local == "metadata" and token.kind == "end" and not spans:
            spans.append((token.start, token.start, f"<dc:language {_DC}>{language}</dc:language>"))
    return replaced(package, spans)


_DC = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'


def _unpacked(path: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as book:
            found = [info for info in book.infolist() if not info.is_dir()]
            if sum(info.file_size for info in found) > LARGEST:
                raise BadRequest("it is larger than 1 GiB unpacked")
            if any(info.flag_bits & 1 for info in found):
                raise BadRequest("it is encrypted")
            return {info.filename.replace("\\", "/"): book.read(info) for info in found}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise BadRequest(f"it is no whole EPUB ({error})") from error


def _unprotected(files: Mapping[str, bytes]) -> None:
    told = files.get("META-INF/encryption.xml", b"").decode("utf-8", "replace")
    hidden = set(re.findall(r"EncryptionMethod\s[^>]*Algorithm\s*=\s*[\"']([^\"']+)", told)) - set(_FONTS)
    if hidden:
        raise BadRequest("it is protected against copying (DRM)")


def _package(files: dict[str, bytes], notes: list[str]) -> str:
    told = files.get("META-INF/container.xml", b"").decode("utf-8", "replace")
    for token in tokens(told):
        if token.name.endswith("rootfile"):
            name = unquote(attributes(told[token.start : token.end]).get("full-path", ""))
            if name in files:
                if fault := wellformed.fault(told):
                    notes.append(f"META-INF/container.xml was repaired ({fault})")
                    files["META-INF/container.xml"] = _container(name)
                return name
    name = next((each for each in files if each.lower().endswith(".opf")), "")
    if not name:
        raise BadRequest("it has no package file (.opf), so its pages can't be found")
    notes.append("META-INF/container.xml was made anew")
    files["META-INF/container.xml"] = _container(name)
    return name


def _container(name: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<container version="1.0" '
        'xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile '
        f'full-path="{html.escape(name)}" media-type="application/oebps-package+xml"/></rootfiles>'
        "</container>"
    ).encode()


def _listed(package: str) -> tuple[list[dict[str, str]], list[str]]:
    """The items of the manifest, and the ids of the spine."""
    items, order = [], []
    for token in tokens(package):
        if token.kind in ("start", "empty"):
            local = token.name.rpartition(":")[2]
            told = attributes(package[token.start : token.end]) if local in ("item", "itemref") else {}
            if local == "item":
                items.append({name: html.unescape(value) for name, value in told.items()})
            elif local == "itemref":
                order.append(told.get("idref", ""))
    return items, order


def _place(package: str, href: str) -> str:
    path = posixpath.join(posixpath.dirname(package), unquote(href.partition("#")[0]))
    return posixpath.normpath(path).lstrip("/")


def _without_missing(
    source: str, package: str, items: list[dict[str, str]], files: dict[str, bytes], notes: list[str]
) -> str:
    """The package file without what the book lacks. Names that differ in case only are made equal."""
    small = {name.lower(): name for name in files}
    kept = set()
    lost = set()
    for item in items:
        href = item.get("href", "")
        name = _place(package, href)
        if name not in files and name.lower() in small:
            files[name] = files.pop(small[name.lower()])
        if name in files or re.match(r"[a-z]+:", href):
            kept.add(item.get("id", ""))
        else:
            lost.add(item.get("id", ""))
            notes.append(f"{href} is listed but missing")
    spans = []
    told = tokens(source)
    for index, token in enumerate(told):
        local = token.name.rpartition(":")[2]
        if token.kind not in ("start", "empty") or local not in ("item", "itemref"):
            continue
        given = attributes(source[token.start : token.end])
        gone = given.get("id", "") in lost if local == "item" else given.get("idref", "") not in kept
        if gone:
            if local == "itemref" and given.get("idref", "") not in lost:
                notes.append(f"the order of reading names {given.get('idref', '')!r}, which is not listed")
            last = index if token.kind == "empty" else _end_of(told, index)
            spans.append((token.start, told[last].end, ""))
    return replaced(source, spans)


def _end_of(told: list[Token], at: int) -> int:
    for index in range(at + 1, len(told)):
        if told[index].kind == "end" and told[index].name == told[at].name:
            return index
    return at


def _page(name: str, data: bytes, notes: list[str], *, page: bool) -> str:
    try:
        return _well_formed(name, decoded(data, markup=True), notes, page=page)
    except BadRequest as error:
        notes.append(f"{name} can't be read: {error.message}; an empty page stands for it")
        return _EMPTY


def _well_formed(name: str, text: str, notes: list[str], *, page: bool = True) -> str:
    text = text.lstrip("\ufeff \t\r\n")
    fault = wellformed.fault(text)
    if not fault:
        return text
    mended = wellformed.repaired(text, page=page)
    if left := wellformed.fault(mended):
        raise BadRequest(f"{name} is beyond repair ({left})")
    notes.append(f"{name} was repaired ({fault})")
    return mended


def labels(source: str) -> list[tuple[int, int]]:
    """Where the lines of a table of contents of the old kind (NCX) stand."""
    found, inside = [], False
    told = tokens(source)
    for index, token in enumerate(told):
        local = token.name.rpartition(":")[2]
        if local == "navlabel":
            inside = token.kind == "start"
        elif inside and local == "text" and token.kind == "start":
            found.append((token.end, told[_end_of(told, index)].start))
    return [(start, end) for start, end in found if end > start]

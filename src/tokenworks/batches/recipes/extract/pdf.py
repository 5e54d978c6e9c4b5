"""PDFs by pypdfium2: the text of every page at once, rows of a page where they are asked for."""

from __future__ import annotations

import ctypes
import importlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenworks.batches.recipes.extract.rows import Char, is_upright, rows
from tokenworks.batches.recipes.extract.unreadable import Unreadable
from tokenworks.errors import ConfigError

PASSWORD, SECURITY = 4, 5  # codes of PDFium
FEW = 16  # characters a page, on average: fewer is a scan with a stamp on it
LONGEST = 200_000  # characters of one page that are put into rows

_one = threading.Lock()  # PDFium must not be called by two threads


class Pdf:
    """An open file. Raises ``Unreadable`` for one that is damaged, encrypted or without text."""

    def __init__(self, file: Path) -> None:
        self._pdfium = _library("pypdfium2")
        self._raw = _library("pypdfium2.raw")
        self._texts: list[str] | None = None
        with _one:
            try:
                self._document = self._pdfium.PdfDocument(file)
            except self._pdfium.PdfiumError as error:
                raise Unreadable(_reason(error)) from error
            except OSError as error:
                raise Unreadable(f"can't be read: {error.strerror or error}") from error

    def texts(self) -> list[str]:
        """Text of each page; empty for one that can't be read. Raises ``Unreadable`` where none has any."""
        if self._texts is not None:
            return self._texts
        with _one:
            count = len(self._document)
            found = [self._text(i) for i in range(count)]
        if not count:
            raise Unreadable("has no pages")
        if sum(map(len, map(str.strip, found))) < FEW * count:
            raise Unreadable(f"no text on its {count} pages, so it is a scan; make its text readable by OCR")
        self._texts = found
        return found

    def rows(self, page: int) -> list[str]:
        """The rows of ``page``, counted from 1."""
        with _one:
            try:
                loaded = self._document[page - 1]
            except self._pdfium.PdfiumError:
                return []
            inside = loaded.get_textpage()
            try:
                chars = list(self._chars(inside))
                if not is_upright(chars):
                    return [line for line in inside.get_text_range().splitlines() if line.strip()]
            finally:
                inside.close()
                loaded.close()
        return rows(chars)

    def close(self) -> None:
        """Let the file go."""
        with _one:
            self._document.close()

    def _text(self, index: int) -> str:
        try:
            page = self._document[index]
        except self._pdfium.PdfiumError:
            return ""
        inside = page.get_textpage()
        text: str = inside.get_text_range().replace("\x00", "")
        inside.close()
        page.close()
        return text

    def _chars(self, inside: Any) -> Iterator[Char]:
        raw = self._raw
        box = raw.FS_RECTF()
        place = ctypes.byref(box)
        for i in range(min(inside.count_chars(), LONGEST)):
            code = raw.FPDFText_GetUnicode(inside.raw, i)
            if code == 0 or 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
                continue
            raw.FPDFText_GetLooseCharBox(inside.raw, i, place)
            yield Char(chr(code), box.left, box.bottom, box.right, box.top)


def _reason(error: Exception) -> str:
    code = getattr(error, "err_code", None)
    if code == PASSWORD:
        return "is encrypted; save it without its password"
    if code == SECURITY:
        return "is encrypted in a way that can't be read; save it without protection"
    return "is damaged or no PDF; open it and save it anew"


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"PDFs need pypdfium2 ({error}); run: pip install 'tokenworks[batch]'") from error

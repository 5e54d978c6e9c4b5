"""Bytes of a text file as text: which encoding it is in, told by marks, by declarations, by looking."""

from __future__ import annotations

import codecs
import re

from tokenworks.errors import BadRequest

LOOKED_AT = 1 << 16  # bytes of the beginning
DECLARED = re.compile(
    rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]{1,40})|<meta[^>]{0,200}?charset\s*=\s*["']?([\w.:-]{1,40})""",
    re.IGNORECASE,
)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\ufffe\uffff]")
_HAN = re.compile("[\u4e00-\u9fff]")
ENDS_EARLY = 3  # bytes: a sign that a broken file was cut within


def decoded(data: bytes, *, markup: bool = False) -> str:
    """The text of ``data``. Raises ``BadRequest`` (one line: why) where it is empty or no text.

    With ``markup`` what it says of its own encoding counts, where that is true.
    """
    if not data.strip(b"\0 \t\r\n"):
        raise BadRequest("it is empty")
    text = _marked(data) or (_declared(data) if markup else None) or _looked_at(data)
    head = text[:LOOKED_AT]
    if len(_CONTROL.findall(head)) * 200 > len(head):
        raise BadRequest("it is no text but binary data")
    if not text.strip():
        raise BadRequest("it is empty")
    return text


def _marked(data: bytes) -> str | None:
    for mark, name in _MARKS:
        if data.startswith(mark):
            return data.decode(name, "replace")
    return None


def _declared(data: bytes) -> str | None:
    found = DECLARED.search(data[:2048])
    if found is None:
        return None
    name = (found.group(1) or found.group(2)).decode("ascii")
    if name.lower() in ("iso-8859-1", "latin1", "latin-1", "us-ascii", "ascii"):
        name = "cp1252"  # what is meant by it everywhere
    if name.lower().startswith(("utf-16", "utf-32")):
        return None  # such a file could not have been read this far
    try:
        return data.decode(name)
    except (UnicodeDecodeError, LookupError):
        return None


def _looked_at(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start >= len(data) - ENDS_EARLY and not data[: error.start].isascii():
            return data[: error.start].decode("utf-8")
    head = data[:LOOKED_AT]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) * 5 > len(head) and min(even, odd) * 20 < max(even, odd) + 20:
        return data.decode("utf-16-le" if odd > even else "utf-16-be", "replace")
    if sum(byte > 0x7F for byte in head) * 10 > len(head) * 3:
        chinese = head[: len(head) // 2 * 2].decode("gb18030", "replace")
        if len(_HAN.findall(chinese)) * 2 > len(chinese) and chinese.count("\ufffd") <= 1:
            return data.decode("gb18030", "replace")
    return _western(data)


def _western(data: bytes) -> str:
    """Windows-1252, its five holes as browsers fill them."""
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return "".join(bytes([b]).decode("latin-1" if b in _HOLES else "cp1252") for b in data)


_HOLES = frozenset((0x81, 0x8D, 0x8F, 0x90, 0x9D))

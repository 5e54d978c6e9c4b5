"""Small PDFs made by hand: text at places, as many pages as wanted, encrypted where a password is given."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

Placed = tuple[float, float, str]  # left and baseline in points from the lower left corner, text in Latin-1

SIZE = 9  # points of the letters
WIDTH = 0.5 * SIZE  # about, of a letter
_PADDING = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
_NUMBER = b"0123456789abcdef"


def pdf(pages: Sequence[Sequence[Placed]], password: str = "") -> bytes:
    """A file of these pages, Letter size. ``password`` is needed to open it."""
    key = _key(password) if password else b""
    objects: list[bytes] = [
        b"",
        b"",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    ]
    kids = []
    for placed in pages:
        stream = "\n".join(f"BT /F1 {SIZE} Tf {x:g} {y:g} Td ({_escaped(t)}) Tj ET" for x, y, t in placed)
        body = stream.encode("latin-1")
        number = len(objects) + 1
        body = _rc4(_object_key(key, number), body) if key else body
        objects.append(b"<</Length %d>>stream\n%s\nendstream" % (len(body), body))
        page = f"/Parent 2 0 R/MediaBox[0 0 612 792]/Contents {number} 0 R/Resources<</Font<</F1 3 0 R>>>>"
        objects.append(f"<</Type/Page{page}>>".encode())
        kids.append(f"{len(objects)} 0 R")
    objects[0] = b"<</Type/Catalog/Pages 2 0 R>>"
    objects[1] = f"<</Type/Pages/Count {len(pages)}/Kids[{' '.join(kids)}]>>".encode()
    return _file(objects, _encryption(password, key) if password else b"")


def table(rows: Sequence[Sequence[str]], *, by_column: bool = False, top: float = 740) -> list[Placed]:
    """Rows of cells as text at places: labels at the left, figures in columns that end on the same line.

    ``by_column``: drawn column after column, as some programs do.
    """
    placed: list[tuple[int, int, Placed]] = []
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            left = 40.0 if j == 0 else 330 + 90 * j - WIDTH * len(cell)
            placed.append((i, j, (left, top - 14 * i, cell)))
    if by_column:
        placed.sort(key=lambda one: (one[1], one[0]))
    return [place for _, _, place in placed]


def _file(objects: Sequence[bytes], encryption: bytes) -> bytes:
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"<</Size %d/Root 1 0 R%s>>" % (len(objects) + 1, encryption)
    return bytes(out + b"trailer\n%s\nstartxref\n%d\n%%%%EOF\n" % (trailer, start))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def _owner(password: str) -> bytes:
    padded = (password.encode() + _PADDING)[:32]
    return _rc4(hashlib.md5(padded).digest()[:5], padded)


def _key(password: str) -> bytes:
    padded = (password.encode() + _PADDING)[:32]
    return hashlib.md5(
        padded + _owner(password) + (-4).to_bytes(4, "little", signed=True) + _NUMBER
    ).digest()[:5]


def _object_key(key: bytes, number: int) -> bytes:
    return hashlib.md5(key + number.to_bytes(3, "little") + b"\0\0").digest()[:10]


def _encryption(password: str, key: bytes) -> bytes:
    """The standard handler's first version: RC4 of 40 bits."""
    user, owner, number = _rc4(key, _PADDING).hex(), _owner(password).hex(), _NUMBER.hex()
    return f"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<{owner}>/U<{user}>>>/ID[<{number}><{number}>]".encode()


def _rc4(key: bytes, data: bytes) -> bytes:
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out, i, j = bytearray(), 0, 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)

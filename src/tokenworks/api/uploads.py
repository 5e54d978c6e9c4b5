"""An upload as multipart/form-data: what comes is written to the store while it is read.

No more than a megabyte of it is held. A file that comes before its fields is begun as one of requests, which
is what nearly all are; where the fields say otherwise it is copied in the end.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from tokenworks.api.file_card import BATCH, PURPOSES, expires_seconds, file_name, new_file
from tokenworks.errors import BadRequest, StoreError
from tokenworks.ledger.batched import CHUNK, FileRow
from tokenworks.ledger.store import Store

MAX_FIELD = 1000  # bytes
MAX_PARTS = 32
MAX_BOUNDARY = 200
FIELDS = ("purpose", "expires_after[anchor]", "expires_after[seconds]")


def boundary_of(content_type: str) -> bytes:
    """What stands between the parts. Raises BadRequest for a body of another kind."""
    kind, options = parse_options_header(content_type.encode("latin-1", "replace"))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 0 < len(boundary) <= MAX_BOUNDARY:
        raise BadRequest(
            "send the file as multipart/form-data, with the fields purpose and file: "
            "curl -F purpose=batch -F file=@requests.jsonl"
        )
    return boundary


class Upload:
    """One body on its way into the store, by any thread but one at a time.

    Every method raises BadRequest for a body of which no file can be made; ``abandon`` it then.
    """

    def __init__(self, store: Store, key_id: str, boundary: bytes) -> None:
        self._store = store
        self._key_id = key_id
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
        )
        self._parts = 0
        self._header, self._value, self._disposition = b"", b"", b""
        self._field = ""  # the one that is being read; empty: the file, or what is not looked at
        self._in_file = False
        self._fields: dict[str, bytearray] = {}
        self._row: FileRow | None = None
        self._buffer = bytearray()
        self._seq = self._size = 0
        self._whole = False

    def feed(self, data: bytes) -> None:
        """The next part of the body."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise BadRequest(f"malformed multipart/form-data: {error}") from None

    def finish(self) -> FileRow:
        """The file, whole; nothing more will come."""
        if not self._whole:
            raise BadRequest("the body ends before its last boundary; send it again, whole")
        purpose, expires_s = self._purpose(), self._expires_s()
        row = self._row
        if row is None:
            raise BadRequest("no file; send it in the field file: curl -F file=@requests.jsonl")
        self._flush(0)
        wanted = new_file(self._key_id, row.name, purpose, row.created_us, expires_s)
        if (wanted.purpose, wanted.expires_us) != (row.purpose, row.expires_us):
            row = self._copy(row, wanted)
        self._store.finish_file(row.id, self._size)
        return self._store.file(row.id) or row

    def abandon(self) -> None:
        """Nothing will come of it: drop what was written. The store does it in a day where it can't now."""
        if self._row is not None:
            with contextlib.suppress(StoreError):
                self._store.remove_file(self._row.id, self._key_id)

    # --- fields

    def _text(self, name: str) -> str:
        return bytes(self._fields.get(name, b"")).decode("utf-8", "replace").strip()

    def _purpose(self) -> str:
        purpose = self._text("purpose")
        if purpose not in PURPOSES:
            given = f"purpose {purpose[:40]!r} is not known" if purpose else "purpose is missing"
            raise BadRequest(f"{given}; send one of {', '.join(PURPOSES)}")
        return purpose

    def _expires_s(self) -> int | None:
        seconds, anchor = self._text("expires_after[seconds]"), self._text("expires_after[anchor]")
        if not seconds and not anchor:
            return None
        if anchor != "created_at":
            raise BadRequest("expires_after.anchor must be created_at")
        if not seconds.isascii() or not seconds.isdigit() or len(seconds) > 9:
            raise BadRequest("expires_after.seconds must be a whole number of seconds")
        return expires_seconds(int(seconds))

    # --- the file

    def _begin(self, name: str) -> None:
        if self._row is not None:
            raise BadRequest("more than one file; send each by itself")
        purpose = self._purpose() if "purpose" in self._fields else BATCH
        row = new_file(self._key_id, name, purpose, time.time_ns() // 1000, self._expires_s())
        self._store.add_file(row)
        self._row = row

    def _flush(self, left: int) -> None:
        """Write whole chunks until no more than ``left`` bytes are held."""
        assert self._row is not None
        while len(self._buffer) > left:
            chunk = bytes(self._buffer[:CHUNK])
            del self._buffer[:CHUNK]
            self._store.append_file(self._row.id, self._seq, chunk)
            self._seq += 1
            self._size += len(chunk)

    def _copy(self, row: FileRow, wanted: FileRow) -> FileRow:
        self._store.add_file(wanted)
        self._row = wanted  # dropped if this fails; the other is, now or in a day
        for seq, chunk in enumerate(self._store.read_file(row.id)):
            self._store.append_file(wanted.id, seq, chunk)
        self._store.remove_file(row.id, self._key_id)
        return wanted

    # --- what the parser tells

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise BadRequest(f"more than {MAX_PARTS} fields; purpose, expires_after and file are read")
        self._disposition, self._field, self._in_file = b"", "", False

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if name == "file":
            self._in_file = True
            self._begin(file_name(options.get(b"filename", b"").decode("utf-8", "replace")))
        elif name in FIELDS:
            self._field = name
            self._fields[name] = bytearray()

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._buffer += data[start:end]
            if len(self._buffer) >= CHUNK:
                self._flush(CHUNK)
        elif self._field:
            field = self._fields[self._field]
            field += data[start:end]
            if len(field) > MAX_FIELD:
                raise BadRequest(f"the field {self._field} is longer than {MAX_FIELD} bytes")

    def _on_part_end(self) -> None:
        if self._field == "purpose":
            self._purpose()  # a wrong one is refused before its file is read

    def _on_end(self) -> None:
        self._whole = True


FORM: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["purpose", "file"],
                "properties": {
                    "purpose": {
                        "type": "string",
                        "enum": list(PURPOSES),
                        "description": "`batch`: each line is a request; `user_data`: what recipes read",
                    },
                    "file": {"type": "string", "format": "binary"},
                    "expires_after[anchor]": {"type": "string", "enum": ["created_at"]},
                    "expires_after[seconds]": {"type": "integer", "minimum": 3600, "maximum": 2_592_000},
                },
            }
        }
    },
}

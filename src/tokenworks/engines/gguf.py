"""What a GGUF file says of itself, read from its head without loading the model.

Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3). Every length in
the file is checked before it is trusted, so garbage is a ``ValueError``, never a hang or a large read.
"""

from __future__ import annotations

import math
import mmap
import struct
from pathlib import Path

import msgspec

MAGIC = b"GGUF"
MAX_KEYS = 1 << 16
MAX_TENSORS = 1 << 20
MAX_HEAD = 64 << 20  # bytes; a vocabulary of a quarter million tokens takes about 10 MiB
MAX_TEXT = 1 << 20
MAX_TEXTS = 1 << 21  # in arrays; the largest vocabularies of today have some 800,000 entries and merges
MAX_KEPT_ARRAY = 1024  # longer ones (vocabularies) are skipped
MAX_DEPTH = 4

_STRING, _ARRAY = 8, 9
_SCALARS = {
    type_id: struct.Struct("<" + code)
    for type_id, code in {
        0: "B",
        1: "b",
        2: "H",
        3: "h",
        4: "I",
        5: "i",
        6: "f",
        7: "?",
        10: "Q",
        11: "q",
        12: "d",
    }.items()
}
_CACHE_BYTES = {"f16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}  # per element: a block of 32 plus its scale


class GgufHead(msgspec.Struct, frozen=True):
    """One model file. Zero or empty: the file does not say."""

    architecture: str
    name: str = ""
    kind: str = "model"  # "model", or what else a GGUF file may hold: "adapter", "mmproj", ...
    context_length: int = 0  # tokens it was trained on
    parameters: int = 0
    has_chat_template: bool = False
    layers: int = 0
    cache_width: int = 0  # elements that one token adds to the cache, keys and values, all layers
    part: int = 0  # of a model split into several files, counted from 0
    parts: int = 1

    def cache_bytes(self, tokens: int, kv_cache_type: str) -> int:
        """Memory that the cache of ``tokens`` takes; an upper bound for models with windowed attention."""
        return round(tokens * self.cache_width * _CACHE_BYTES[kv_cache_type])


def read_head(path: Path) -> GgufHead:
    """The head of the GGUF file at ``path``.

    Raises ``ValueError`` with one line that says what is wrong, ``OSError`` where it can't be read.
    """
    with path.open("rb") as file:
        start = file.read(24)
        if start[:4] != MAGIC:
            raise ValueError("is no GGUF file")
        if len(start) < 24:
            raise ValueError("is cut off inside its head")
        version, tensors, keys = struct.unpack("<IQQ", start[4:])
        if version not in (2, 3):
            raise ValueError(f"is GGUF version {version}; 2 and 3 can be read")
        if keys > MAX_KEYS or tensors > MAX_TENSORS:
            raise ValueError("is no sound GGUF file: its head counts more than any model has")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            cursor = Cursor(content)
            values = {}
            for _ in range(keys):
                key = cursor.text()
                values[key] = cursor.value(cursor.number(4))
            return _head(values, sum(cursor.tensor() for _ in range(tensors)))


def _head(values: dict[str, object], parameters: int) -> GgufHead:
    architecture = _text(values.get("general.architecture"))
    if not architecture:
        raise ValueError("does not name its architecture")

    def whole(key: str) -> int:
        value = values.get(key)
        return value if isinstance(value, int) and value > 0 else 0

    layers = whole(f"{architecture}.block_count")
    heads = whole(f"{architecture}.attention.head_count")
    width = whole(f"{architecture}.embedding_length") // heads if heads else 0
    keys = whole(f"{architecture}.attention.key_length") or width
    per_head = keys + (whole(f"{architecture}.attention.value_length") or keys)
    of_layers = values.get(
        f"{architecture}.attention.head_count_kv", heads
    )  # a number, or one for each layer
    if isinstance(of_layers, list):
        cached_heads = sum(n for n in of_layers if isinstance(n, int) and n > 0)
    else:
        cached_heads = layers * (of_layers if isinstance(of_layers, int) else 0)
    parts = whole("split.count") or 1
    return GgufHead(
        architecture=architecture,
        name=_text(values.get("general.name")),
        kind=_text(values.get("general.type")) or "model",
        context_length=whole(f"{architecture}.context_length"),
        parameters=parameters if parts == 1 else 0,
        has_chat_template=bool(values.get("tokenizer.chat_template")),
        layers=layers,
        cache_width=max(0, cached_heads * per_head),
        part=whole("split.no"),
        parts=parts,
    )


def _text(value: object) -> str:
    """One printable line of ``value``; empty if it is no text."""
    return (
        " ".join("".join(c if c.isprintable() else " " for c in value).split())
        if isinstance(value, str)
        else ""
    )


class Cursor:
    """Reads forward through the mapped file, never beyond its end."""

    def __init__(self, content: mmap.mmap) -> None:
        self.content = content
        self.size = min(len(content), MAX_HEAD)
        self.at = 24
        self.texts = MAX_TEXTS  # what may still come

    def take(self, length: int) -> int:
        """Step over ``length`` bytes; where they begin."""
        begin = self.at
        if length > self.size - begin:
            raise ValueError("is cut off inside its head, or damaged")
        self.at = begin + length
        return begin

    def number(self, width: int) -> int:
        begin = self.take(width)
        return int.from_bytes(self.content[begin : begin + width], "little")

    def text(self) -> str:
        length = self.number(8)
        if length > MAX_TEXT:
            self.take(length)
            return ""
        begin = self.take(length)
        return self.content[begin : begin + length].decode("utf-8", "replace")

    def value(self, kind: int, depth: int = 0) -> object:
        """A scalar, a text, or an array of few scalars; None for what was only stepped over."""
        scalar = _SCALARS.get(kind)
        if scalar is not None:
            return scalar.unpack_from(self.content, self.take(scalar.size))[0]
        if kind == _STRING:
            return self.text()
        if kind != _ARRAY or depth >= MAX_DEPTH:
            raise ValueError(f"is damaged: its head has a value of unknown type {kind}")
        of, count = self.number(4), self.number(8)
        scalar = _SCALARS.get(of)
        if scalar is None:
            self.texts -= count
            if self.texts < 0:
                raise ValueError("is no sound GGUF file: its head counts more than any model has")
            for _ in range(count):
                self.value(of, depth + 1) if of == _ARRAY else self.take(self.number(8))
            return None
        begin = self.take(scalar.size * count)
        if count > MAX_KEPT_ARRAY:
            return None
        return [scalar.unpack_from(self.content, begin + i * scalar.size)[0] for i in range(count)]

    def tensor(self) -> int:
        """Step over one tensor's description; the number of its elements."""
        self.take(self.number(8))
        dimensions = self.number(4)
        if dimensions > 8:
            raise ValueError("is damaged: a tensor of more than 8 dimensions")
        elements = math.prod(self.number(8) for _ in range(dimensions))
        self.take(12)
        return elements

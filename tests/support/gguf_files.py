"""GGUF files made by hand: heads without weights."""

import struct

STRING, ARRAY, U32, F32 = 8, 9, 4, 6


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def gguf(
    values: dict[str, object], tensors: dict[str, tuple[int, ...]] | None = None, version: int = 3
) -> bytes:
    """A GGUF head with these values (texts, whole numbers, lists of either) and tensors' dimensions."""
    tensors = tensors or {}
    out = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(values))
    for key, value in values.items():
        out += text(key)
        if isinstance(value, str):
            out += struct.pack("<I", STRING) + text(value)
        elif isinstance(value, list) and value and isinstance(value[0], str):
            out += struct.pack("<IIQ", ARRAY, STRING, len(value)) + b"".join(map(text, value))
        elif isinstance(value, list):
            out += struct.pack("<IIQ", ARRAY, U32, len(value)) + struct.pack(f"<{len(value)}I", *value)
        else:
            out += struct.pack("<II", U32, value)
    for name, dims in tensors.items():
        out += text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, 0, 0)
    return out


MINIMAL = {
    "general.architecture": "llama",
    "general.name": "Tiny\nOne",
    "llama.context_length": 4096,
    "llama.block_count": 2,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "tokenizer.ggml.tokens": ["a", "b"],
    "tokenizer.chat_template": "{{ messages }}",
}

"""Embeddings: vectors that follow from the text alone. Shape: OpenAI API reference, "Embeddings"."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from typing import Any

from tokenworks.providers.scripted.frame import Frame, encode
from tokenworks.providers.scripted.turn import Turn
from tokenworks.providers.scripted.usage import chat_usage

DEFAULT_DIMENSIONS = 16


def vector(text: str, dimensions: int = DEFAULT_DIMENSIONS) -> list[float]:
    """The unit vector of ``text``, in 32-bit precision: equal texts have equal vectors, others hardly."""
    raw = hashlib.shake_256(text.encode()).digest(4 * dimensions)
    values = [number / 2**31 - 1 for number in struct.unpack(f"<{dimensions}I", raw)]
    length = math.sqrt(sum(value * value for value in values)) or 1.0
    packed = struct.pack(f"<{dimensions}f", *(value / length for value in values))
    return list(struct.unpack(f"<{dimensions}f", packed))


def whole(turn: Turn) -> Frame:
    """The body of an answer."""
    body = turn.ask.body
    wanted = body.get("dimensions")
    dimensions = wanted if isinstance(wanted, int) and wanted > 0 else DEFAULT_DIMENSIONS
    vectors = [vector(text, dimensions) for text in inputs(body.get("input"))]
    packed = body.get("encoding_format") == "base64"
    answer: dict[str, Any] = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": i, "embedding": _base64(v) if packed else v}
            for i, v in enumerate(vectors)
        ],
        "model": turn.model,
    }
    told = chat_usage(turn.usage, turn.reply)
    if told is not None:
        keep = ("prompt_tokens", "total_tokens") if turn.reply.usage_raw is None else tuple(told)
        answer["usage"] = {key: told[key] for key in keep}
    return Frame(encode(answer), turn.usage if told is not None else None)


def inputs(given: Any) -> list[str]:
    """What is to be embedded: texts, or lists of token numbers written as text."""
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list):
        return []
    if given and all(isinstance(token, int) for token in given):
        return [str(given)]
    return [item if isinstance(item, str) else str(item) for item in given]


def _base64(values: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()

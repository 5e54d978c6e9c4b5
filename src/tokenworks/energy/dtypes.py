"""Number formats of weights and caches: how many bytes an element takes with its scales.

Block formats carry a scale for every block, so they take more than their bare bits. Sources: OCP
Microscaling Formats v1.0 (mxfp4, mxfp8), the GGUF block layouts of ggml (q4_0 ... q8_0), 4-bit formats with
a scale of 8 bits for 16 values (nvfp4) or of 16 bits for 32 values (int4).
"""

from __future__ import annotations

from collections.abc import Mapping

from tokenworks.errors import BadRequest

BYTES: Mapping[str, float] = {
    "fp32": 4.0,
    "bf16": 2.0,
    "fp16": 2.0,
    "f16": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    "mxfp8": 8.25 / 8,
    "nvfp4": 4.5 / 8,
    "fp4": 4.5 / 8,
    "mxfp4": 4.25 / 8,
    "int4": 4.5 / 8,
    "q8_0": 34 / 32,
    "q6_k": 6.5625 / 8,
    "q5_k": 5.5 / 8,
    "q4_k": 4.5 / 8,
    "q5_1": 24 / 32,
    "q5_0": 22 / 32,
    "q4_1": 20 / 32,
    "q4_0": 18 / 32,
    "iq4_xs": 4.25 / 8,
    "q3_k": 3.4375 / 8,
    "q2_k": 2.625 / 8,
    "iq2_xxs": 2.0625 / 8,
}
"""Bytes of one element, its share of the block's scale included."""


def bytes_of(dtype: str) -> float:
    """Bytes that one element of ``dtype`` takes.

    Raises ``BadRequest`` with the names that are known.
    """
    size = BYTES.get(dtype)
    if size is None:
        raise BadRequest(f"unknown number format {dtype!r}: use one of {', '.join(BYTES)}")
    return size

"""The head reader against the real file, hand-made heads and garbage."""

import struct
import time
from pathlib import Path

import pytest
from gguf_files import ARRAY, F32, MINIMAL, STRING, gguf, text
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tokenworks.engines.gguf import MAX_HEAD, MAX_TEXTS, read_head


def test_real_model(smollm2: Path) -> None:
    began = time.perf_counter()
    head = read_head(smollm2)
    assert time.perf_counter() - began < 1.0
    assert (head.architecture, head.context_length, head.layers) == ("llama", 8192, 30)
    assert head.parameters == 134_515_008
    assert head.has_chat_template
    # what llama.cpp itself logs as the size of this model's cache at 8,192 tokens
    assert head.cache_bytes(8192, "f16") == 180 << 20
    assert head.cache_bytes(8192, "q8_0") == pytest.approx(95.6 * 2**20, rel=0.001)
    assert head.cache_bytes(8192, "q4_0") == pytest.approx(50.6 * 2**20, rel=0.001)


@pytest.mark.parametrize("version", [2, 3])
def test_hand_made(tmp_path: Path, version: int) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(gguf(MINIMAL, {"a": (64, 10), "b": (64,)}, version))
    head = read_head(file)
    assert head.name == "Tiny One"
    assert head.parameters == 64 * 10 + 64
    assert head.cache_width == 2 * 2 * (16 + 16)
    assert head.context_length == 4096


def test_heads_of_each_layer_and_their_own_widths(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    values = {
        **MINIMAL,
        "llama.attention.head_count_kv": [2, 0, 4],
        "llama.attention.key_length": 100,
        "llama.attention.value_length": 50,
    }
    file.write_bytes(gguf(values))
    assert read_head(file).cache_width == 6 * 150


def test_split_model_has_no_parameter_count(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(gguf({**MINIMAL, "split.no": 1, "split.count": 3}, {"a": (64,)}))
    head = read_head(file)
    assert (head.part, head.parts, head.parameters) == (1, 3, 0)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "no GGUF"),
        (b"not a model at all, but long enough", "no GGUF"),
        (b"GGUF\3\0\0", "cut off"),
        (gguf(MINIMAL)[:-5], "cut off"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0) + b"x", "version 1"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 40) + b"x", "counts more"),
        (gguf({"llama.block_count": 2}), "architecture"),
        # an array that claims 2**60 texts, and one of 2**62 numbers
        (
            b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<IIQ", ARRAY, STRING, 1 << 60),
            "counts more",
        ),
        (
            b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<IIQ", ARRAY, F32, 1 << 62),
            "cut off",
        ),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<I", 77), "unknown type"),
    ],
)
def test_garbage_is_refused_with_a_reason(tmp_path: Path, content: bytes, complaint: str) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=complaint):
        read_head(file)


def test_a_head_of_zeros_ends_soon(tmp_path: Path) -> None:
    """Zeros are valid empty keys and texts: only the bounds keep this from reading a whole disk."""
    file = tmp_path / "m.gguf"
    began = time.perf_counter()
    with file.open("wb") as out:
        out.write(b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 16))
        out.truncate(4 * MAX_HEAD)  # sparse
    with pytest.raises(ValueError, match="architecture"):
        read_head(file)
    with file.open("wb") as out:
        out.write(b"GGUF" + struct.pack("<IQQ", 3, 0, 9))
        out.write(text("k") + struct.pack("<IIQ", ARRAY, STRING, MAX_TEXTS + 1))
        out.truncate(4 * MAX_HEAD)
    with pytest.raises(ValueError, match="counts more"):
        read_head(file)
    assert time.perf_counter() - began < 5


GOOD = gguf(MINIMAL, {"a": (64, 10)})


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=8))
@example(4, b"\xff" * 8)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_anywhere_is_a_value_error_or_still_a_head(tmp_path: Path, at: int, noise: bytes) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(GOOD[:at] + noise + GOOD[at + len(noise) :])
    try:
        head = read_head(file)
    except ValueError as error:
        assert str(error)
    else:
        assert head.name.isprintable() and head.cache_bytes(512, "f16") >= 0

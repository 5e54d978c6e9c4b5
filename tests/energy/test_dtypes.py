import pytest

from tokenworks.energy.dtypes import BYTES, bytes_of
from tokenworks.errors import BadRequest


def test_formats_with_their_scales() -> None:
    assert bytes_of("bf16") == 2
    assert bytes_of("nvfp4") == 0.5 + 1 / 16  # a scale byte for 16 values
    assert bytes_of("mxfp4") == 0.5 + 1 / 32
    assert bytes_of("q8_0") == (32 + 2) / 32  # a 16-bit scale for 32 values
    assert bytes_of("q4_0") == (16 + 2) / 32


def test_an_unknown_format_names_the_known() -> None:
    with pytest.raises(BadRequest, match="unknown number format 'fp3': use one of fp32, bf16"):
        bytes_of("fp3")
    assert "fp3" not in BYTES

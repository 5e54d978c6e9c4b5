"""The kernel of latent attention, on a GPU or in Triton's interpreter, against plain products."""

import os
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch", reason="torch is not installed")
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # read when the kernel is defined
pytest.importorskip("triton", reason="triton is not installed")

from gpu_decode import by_products  # noqa: E402  (after the skips)
from latent_kernel import TILES, latent_decode  # noqa: E402

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize(("context", "parts"), [(1, 1), (100, 1), (257, 3), (256, 2), (130, 50)])
def test_it_attends(tile: tuple[int, int, int, int], context: int, parts: int) -> None:
    torch.manual_seed(context)
    dtype = torch.bfloat16 if DEVICE == "cuda" else torch.float32
    query = torch.randn(2, 64, 576, device=DEVICE).to(dtype)
    latent = torch.randn(2, context, 576, device=DEVICE).to(dtype)
    shown = latent_decode(torch, query, latent, 512, tile, parts)()
    wanted = by_products(torch, query.float(), latent.float(), 512)
    off = (shown.float() - wanted).norm() / wanted.norm()
    assert off < (0.01 if DEVICE == "cuda" else 1e-5)

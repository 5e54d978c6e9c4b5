"""The sparse model in torch, against the same model written out token by token."""

from typing import Any

import msgspec
import pytest

from tokenworks.energy.architecture import Architecture
from tokenworks.energy.attention import Attention

torch: Any = pytest.importorskip("torch", reason="torch is not installed")

from torch_decoder import Decoder, captured  # noqa: E402  (after the skip)

GROUP = Attention(kind="gqa", layers=2, heads=8, qk_dim=16, v_dim=16, kv_heads=2)
ARCH = Architecture(
    name="small",
    hidden=64,
    vocabulary=97,
    experts=8,
    experts_per_token=2,
    expert_width=32,
    attention=(GROUP,),
)
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize("device", DEVICES)
def test_it_holds_what_the_planner_counts(device: str) -> None:
    assert Decoder(torch, ARCH, device).parameters == ARCH.total_parameters


@pytest.mark.parametrize("device", DEVICES)
def test_experts_are_those_that_were_chosen(device: str) -> None:
    decoder = Decoder(torch, ARCH, device)
    layer = decoder.layers[0]
    seen = torch.randn(5, ARCH.hidden, device=device).bfloat16()
    shown, counts = decoder._experts(layer, seen)
    for row, token in enumerate(seen.float()):
        likely = torch.softmax((seen[row] @ layer["router"]).float(), -1)
        weights, chosen = torch.topk(likely, ARCH.experts_per_token)
        wanted = torch.zeros(ARCH.hidden, device=device)
        for weight, expert in zip(weights / weights.sum(), chosen, strict=True):
            gate, up = (token @ layer["gate_up"][expert].float()).chunk(2)
            wanted += weight * ((torch.nn.functional.silu(gate) * up) @ layer["down"][expert].float())
        assert (shown[row].float() - wanted).norm() < 0.03 * wanted.norm()
    assert int(counts.sum()) == 5 * ARCH.experts_per_token


@pytest.mark.parametrize("device", DEVICES)
def test_queries_keys_and_values(device: str) -> None:
    decoder = Decoder(torch, ARCH, device)
    layer, rows, dim, position = decoder.layers[0], 3, GROUP.qk_dim, 32
    hidden = torch.randn(rows, ARCH.hidden, device=device).bfloat16()
    query, key, value = decoder._before(layer, hidden, decoder._rotation(position))
    seen = torch.nn.functional.rms_norm(hidden.float(), (ARCH.hidden,)).bfloat16()
    mixed = (seen @ layer["qkv"]).view(rows, -1, dim).float()
    queries, keys, values = mixed.split((GROUP.heads, GROUP.kv_heads, GROUP.kv_heads), 1)
    queries, keys = (
        rotated(torch.nn.functional.rms_norm(each, (dim,)), position) for each in (queries, keys)
    )
    torch.testing.assert_close(key.float(), keys, rtol=0.02, atol=0.03)
    torch.testing.assert_close(value.float(), values, rtol=0.02, atol=0.02)
    for head in range(GROUP.heads):
        kept, place = divmod(head, GROUP.heads // GROUP.kv_heads)
        torch.testing.assert_close(query[:, kept, place].float(), queries[:, head], rtol=0.02, atol=0.03)


@pytest.mark.parametrize("device", DEVICES)
def test_a_step_is_its_layers(device: str) -> None:
    """The last token's id by attention written out, head by head."""
    decoder = Decoder(torch, ARCH, device)
    rows, context, dim = 3, 9, GROUP.qk_dim
    with torch.inference_mode():
        torch.manual_seed(3)
        shown = decoder.step(rows, context)()
        torch.manual_seed(3)
        shape = (rows, GROUP.kv_heads, context, dim)
        kept = [
            [torch.empty(shape, dtype=torch.bfloat16, device=device).normal_() for _ in range(2)]
            for _ in decoder.layers
        ]
        ids = torch.randint(ARCH.vocabulary, (rows,), device=device)
        hidden = decoder.embedding[ids]
        for layer, (keys, values) in zip(decoder.layers, kept, strict=True):
            query, keys[:, :, -1], values[:, :, -1] = decoder._before(
                layer, hidden, decoder._rotation(context - 1)
            )
            scores = torch.einsum("bkgd,bksd->bkgs", query.float(), keys.float()) * dim**-0.5
            seen = torch.einsum("bkgs,bksd->bkgd", torch.softmax(scores, -1), values.float())
            hidden, _ = decoder._after(layer, hidden, seen.bfloat16())
        logits = torch.nn.functional.rms_norm(hidden.float(), (ARCH.hidden,)) @ decoder.head.float().t()
        best = logits.gather(1, shown[:, None])[:, 0]
        assert (logits.max(-1).values - best < 0.1).all()  # close ones may change places in 16 bits


def rotated(values: Any, position: int) -> Any:
    """Pairs (i, i + half) as complex numbers, turned by an angle each."""
    half = values.shape[-1] // 2
    angles = position * 1e6 ** (-torch.arange(half, device=values.device) / half)
    turned = torch.complex(values[..., :half], values[..., half:]) * torch.polar(
        torch.ones_like(angles), angles
    )
    return torch.cat((turned.real, turned.imag), -1)


@pytest.mark.parametrize("device", DEVICES)
def test_a_step_gives_each_sequence_a_token(device: str) -> None:
    decoder = Decoder(torch, ARCH, device)
    with torch.inference_mode():
        shown = decoder.step(4, 16)()
    assert shown.shape == (4,) and int(shown.max()) < ARCH.vocabulary
    assert len(decoder.counts) == 2 and 2 <= decoder.touched <= 8


@pytest.mark.skipif("cuda" not in DEVICES, reason="torch sees no GPU")
def test_what_is_captured_gives_what_it_gave() -> None:
    values = torch.zeros(3, device="cuda")
    again = captured(torch, lambda: values * 2)
    values += 1
    assert again().tolist() == [2.0, 2.0, 2.0] == again().tolist()


@pytest.mark.parametrize(
    "other",
    [
        {"attention": (Attention(kind="mla", layers=2, heads=8, qk_dim=16, v_dim=16, kv_rank=8),)},
        {"shared_width": 32},
        {"experts": 0},
    ],
)
def test_what_is_not_written_is_refused(other: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="written here"):
        Decoder(torch, msgspec.structs.replace(ARCH, **other), "cpu")

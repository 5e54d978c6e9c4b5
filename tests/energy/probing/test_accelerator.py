"""What is measured of an accelerator: the arithmetic on numpy, and on torch where it is installed."""

import importlib.util
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy_torch import NumpyTorch, Tensor

from tokenworks.energy.probing import accelerator
from tokenworks.errors import ConfigError

SMALL = accelerator.small()
ANYWHERE = [name for name in accelerator.NAMES if name != "gemm_fp8"]


def outcome(name: str) -> tuple[np.ndarray, dict[str, Tensor], float, float]:
    """What the work computes, its tensors by name, its bytes and its operations."""
    run, moved, operations, _ = accelerator._WORK[name](NumpyTorch(), SMALL, "cpu")
    return run().array, tensors(run), moved, operations


def tensors(run: Any) -> dict[str, Tensor]:
    """What ``run`` closes over."""
    names = run.__code__.co_freevars
    return dict(zip(names, (cell.cell_contents for cell in run.__closure__), strict=True))


@pytest.mark.parametrize("name", ANYWHERE)
def test_everything_is_measured(name: str) -> None:
    found = accelerator.measure(NumpyTorch(), name, SMALL, 0.01, "cpu")
    assert (found.name, found.problem) == (name, "")
    assert found.seconds > 0 and found.bytes_per_s > 1e5 and found.how
    assert (found.flops_per_s > 1e5) == (name != "copy")


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize("name", ANYWHERE)
def test_everything_is_measured_by_torch_itself(name: str) -> None:
    found = accelerator.measure(accelerator.installed_torch(), name, SMALL, 0.01, "cpu")
    assert (found.problem, found.seconds > 0) == ("", True)


@pytest.mark.parametrize("name", accelerator.NAMES)
def test_everything_is_measured_on_a_gpu(name: str) -> None:
    torch = accelerator.installed_torch() if importlib.util.find_spec("torch") else None
    if torch is None or accelerator.card(torch) is None:
        pytest.skip("torch sees no GPU")
    found = accelerator.measure(torch, name, SMALL, 0.01)
    assert (found.problem, found.seconds > 0) == ("", True)


def test_latent_attention_reads_one_latent_for_all_heads() -> None:
    shown, used, moved, operations = outcome("attention_latent")
    latent, query = used["latent"].array, used["query"].array
    for sequence in range(SMALL.sequences):
        scores = query[sequence] @ latent[sequence].T / np.sqrt(SMALL.latent_rank + SMALL.latent_rope)
        weights = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        expected = weights @ latent[sequence][:, : SMALL.latent_rank]
        np.testing.assert_allclose(shown[sequence], expected, rtol=1e-4, atol=1e-6)
    assert moved == latent.size * 2
    # the published formula of absorbed attention: 2 heads (2 rank + rope) per token of context
    heads, tokens = SMALL.latent_heads, SMALL.sequences * SMALL.context
    assert operations == 2 * heads * (2 * SMALL.latent_rank + SMALL.latent_rope) * tokens


def test_paged_attention_follows_its_pages() -> None:
    run, moved, operations, _ = accelerator._WORK["attention_paged"](NumpyTorch(), SMALL, "cpu")
    used = tensors(run)
    keys, values, query = (used[each].array for each in ("keys", "values", "query"))
    order = tensors(used["gathered"])["order"].array
    pages = SMALL.context // SMALL.page
    shown = run().array
    parts = order.reshape(SMALL.sequences, SMALL.kv_heads, pages)
    assert sorted(order) == list(range(len(keys)))  # every head's part of every page belongs to one sequence
    assert (parts % SMALL.kv_heads == np.arange(SMALL.kv_heads)[:, None]).all()
    own = parts // SMALL.kv_heads
    assert (own == own[:, :1]).all()  # all heads of a sequence lie in the same pages
    for sequence in range(SMALL.sequences):
        for head in range(SMALL.kv_heads):
            rows = parts[sequence, head]
            k, v = (each[rows].reshape(SMALL.context, SMALL.head_dim) for each in (keys, values))
            scores = query[sequence, head] @ k.T / np.sqrt(SMALL.head_dim)
            weights = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
            np.testing.assert_allclose(shown[sequence, head], weights @ v, rtol=1e-4, atol=1e-6)
    assert moved == (keys.size + values.size) * 2
    assert operations == 4 * SMALL.sequences * SMALL.context * 2 * 4 * SMALL.head_dim


def test_experts_are_gate_up_and_down_and_their_weights_are_what_is_read() -> None:
    shown, used, moved, operations = outcome("experts_grouped")
    tokens, gate_up, down = (used[each].array for each in ("tokens", "gate_up", "down"))
    for expert in range(SMALL.experts):
        gate, up = np.split(tokens[expert] @ gate_up[expert], 2, axis=-1)
        expected = (gate / (1 + np.exp(-gate)) * up) @ down[expert]
        np.testing.assert_allclose(shown[expert], expected, rtol=1e-3, atol=1e-6)
    assert moved == (gate_up.size + down.size) * 2
    assert operations == 2 * SMALL.tokens_per_expert * (gate_up.size + down.size)


def test_copy_reads_and_writes() -> None:
    _, _, moved, operations = outcome("copy")
    assert (moved, operations) == (2 * SMALL.copy_bytes, 0)


@pytest.mark.parametrize("missing", [RuntimeError("CUDA out of memory.\nTried 4 GiB"), AttributeError("no")])
def test_what_a_device_can_not_do_is_told(missing: Exception) -> None:
    class Poor(NumpyTorch):
        def bmm(self, left: Tensor, right: Tensor) -> Tensor:
            raise missing

    found = accelerator.measure(Poor(), "attention_latent", SMALL, 0.01, "cpu")
    assert found.problem == " ".join(str(missing).split()) and found.bytes_per_s == 0
    assert "\n" not in found.problem


def test_eight_bits_are_refused_by_name_where_there_are_none() -> None:
    assert "_scaled_mm" in accelerator.measure(NumpyTorch(), "gemm_fp8", SMALL, 0.01, "cpu").problem


def test_a_device_is_waited_for() -> None:
    """Launches return at once; the time of a run ends when the device has done it."""
    done: list[str] = []
    torch = NumpyTorch(SimpleNamespace())
    torch.cuda.synchronize = lambda: done.append("waited")
    found = accelerator.measure(torch, "copy", SMALL, 0.0, "cuda")
    assert found.problem == "" and done == ["waited"] * 3


def test_the_card() -> None:
    assert accelerator.card(NumpyTorch()) is None
    said = SimpleNamespace(name="Some GPU", total_memory=80 * 2**30, multi_processor_count=132)
    assert accelerator.card(NumpyTorch(said)) == accelerator.Card("Some GPU", 80 * 2**30, 132)


def test_a_torch_that_can_not_be_loaded_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise OSError("libcudart.so.12: cannot open shared object file")

    monkeypatch.setattr(accelerator.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(accelerator.importlib, "import_module", broken)
    with pytest.raises(ConfigError, match="use --no-gpu"):
        accelerator.installed_torch()


def test_torch_is_never_imported_by_itself() -> None:
    assert importlib.util.find_spec("torch") is not None or accelerator.installed_torch() is None
    assert "torch" not in sys.modules or importlib.util.find_spec("torch") is not None


def test_sizes_fit_the_card() -> None:
    large = accelerator.sizes_for(accelerator.Card("a", 80 * 2**30, 132))
    assert large == accelerator.Sizes()
    for gib in (4, 8, 24):
        sizes = accelerator.sizes_for(accelerator.Card("a", gib * 2**30, 30))
        kept = sizes.sequences * sizes.context * sizes.kv_heads * sizes.head_dim * 2 * 2
        experts = sizes.experts * 3 * sizes.hidden * sizes.expert_width * 2
        for most in (2 * sizes.copy_bytes, 3 * kept, experts):
            assert most < gib * 2**30 / 2, (gib, sizes)


def test_grouped_products_are_used_where_the_device_has_them() -> None:
    class Fused(NumpyTorch):
        calls = 0

        def _grouped_mm(self, rows: Tensor, weights: Tensor, offs: Tensor) -> Tensor:
            type(self).calls += 1
            parts = np.split(rows.array, offs.array[:-1])
            return Tensor(
                np.concatenate([part @ each for part, each in zip(parts, weights.array, strict=True)])
            )

    class Refused(NumpyTorch):
        def _grouped_mm(self, rows: Tensor, weights: Tensor, offs: Tensor) -> Tensor:
            raise RuntimeError("torch._grouped_mm is only supported on compute capability 9.0")

    fused, _, _, how = accelerator._WORK["experts_grouped"](Fused(), SMALL, "cuda")
    padded, _, _, other = accelerator._WORK["experts_grouped"](Refused(), SMALL, "cuda")
    assert (how, other) == ("_grouped_mm", "bmm") and Fused.calls == 2
    np.testing.assert_allclose(fused().array, padded().array.reshape(-1, SMALL.hidden), rtol=1e-4, atol=1e-7)

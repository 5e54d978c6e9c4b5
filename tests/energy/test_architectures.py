"""What the listed models' shapes give, against what their publishers state."""

import csv
import json
from pathlib import Path

import pytest

from tokenworks.energy import architectures
from tokenworks.energy.reading import from_config
from tokenworks.errors import BadRequest

LISTED = architectures.listed()


def within(computed: float, published: str) -> bool:
    """Within 1 %, or equal to the published digits when rounded or cut to as many."""
    if abs(computed / float(published) - 1) <= 0.01:
        return True
    digits = len(published.partition(".")[2])
    return float(published) in (round(computed, digits), int(computed * 10**digits) / 10**digits)


@pytest.mark.parametrize("model", LISTED, ids=lambda model: model.name)
def test_parameters_equal_published_totals(model: architectures.Listed) -> None:
    assert model.total / 1e9 == pytest.approx(float(model.total_b), rel=0.01)
    assert within(model.active / 1e9, model.active_b), model.active


@pytest.mark.parametrize("model", [m for m in LISTED if m.kv_bytes or m.kv_gib_1m], ids=lambda m: m.name)
def test_caches_equal_published_sizes(model: architectures.Listed) -> None:
    arch = model.architecture
    if model.kv_bytes:
        assert arch.kv_bytes_per_token("bf16") == pytest.approx(model.kv_bytes, rel=0.01)
    if model.kv_gib_1m:
        assert arch.context_bytes(1 << 20, "bf16") / 2**30 == pytest.approx(float(model.kv_gib_1m), rel=0.01)


def test_a_million_tokens_of_two_generations() -> None:
    sparse = architectures.load("deepseek/deepseek-v3.2").context_bytes(1 << 20) / 2**30
    packed = architectures.load("deepseek/deepseek-v4-pro").context_bytes(1 << 20) / 2**30
    assert round(sparse, 1) == 83.9
    assert packed == pytest.approx(9.62, abs=0.01)


def test_what_every_issue_names_is_listed() -> None:
    for name in (
        *("deepseek-v3", "deepseek-ai/DeepSeek-R1", "deepseek/deepseek-v3.2", "deepseek-v4-flash"),
        *("moonshotai/kimi-k2.5", "moonshotai/Kimi-K3", "z-ai/glm-5", "zhipuai/GLM-5", "zai-org/GLM-5.1-FP8"),
        *("MiniMaxAI/MiniMax-M2.5", "minimax/minimax-m3", "qwen/qwen3-8b", "Qwen/Qwen3.5-397B-A17B"),
        *("openai/gpt-oss-20b", "meta-llama/Llama-3.1-70B", "mistralai/Mixtral-8x22B-v0.1"),
    ):
        assert architectures.load(name).layers > 0


def test_an_unknown_name_lists_near_ones() -> None:
    with pytest.raises(BadRequest, match="unknown model 'qwen3-9b': use qwen3-8b"):
        architectures.load("qwen3-9b")


def test_files_are_read_by_their_path(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="name a model's config"):
        architectures.load(str(tmp_path / "none.json"))


@pytest.mark.parametrize("model", LISTED, ids=lambda model: model.name)
def test_the_list_is_what_the_configurations_say(model: architectures.Listed, data: Path) -> None:
    repository = model.config.removeprefix("https://huggingface.co/").partition("/blob/")[0]
    path = data / "economics" / "model_configs" / f"{repository.replace('/', '--')}_config.json"
    assert from_config(json.loads(path.read_bytes()), model.name) == model.architecture


def test_caches_agree_with_the_reference_table(data: Path) -> None:
    seen = 0
    for row in csv.DictReader((data / "economics" / "architectures.csv").read_text().splitlines()):
        model = architectures.find(row["model"])
        if model is None or not row["kv_bytes_per_token_bf16"]:
            continue
        # the table keeps index keys in 8 bits with a scale for each 128
        kept = model.architecture.kv_bytes_per_token("bf16", "fp8")
        if row["attn"].startswith("c4a"):
            kept = model.architecture.kv_bytes_per_token("bf16")
        if model.architecture.attention[0].window and row["swa_layers"]:
            kept = model.architecture.kv_bytes_per_token("bf16")
        assert kept == pytest.approx(float(row["kv_bytes_per_token_bf16"]), rel=0.01), model.name
        seen += 1
    assert seen >= 18

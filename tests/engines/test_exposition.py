"""Metrics of three kinds of servers, as they write them."""

from __future__ import annotations

import time

import pytest
from model_server import page

from tokenworks.engines import exposition
from tokenworks.engines.exposition import kinds, owner, read, title

TOLD = {
    "vllm": {
        "running": 12,
        "waiting": 3,
        "kv_used": 0.375,  # the mean of two replicas
        "kv_tokens": 320_000,
        "computed": 84_000,
        "cached": 36_000,
        "prompt": 120_000,
        "decoded": 60_000,
        "prefill_s": 25,
        "batches": None,
    },
    "sglang": {
        "running": 4,  # ranks of tensor parallelism repeat each other
        "waiting": 2,
        "kv_used": 0.28,
        "kv_tokens": 471_258,
        "computed": None,
        "cached": 2_032_225.5,
        "prompt": 8_128_902,
        "decoded": 755_757,
        "prefill_s": None,
    },
    "llama_cpp": {
        "running": 2,
        "waiting": 1,
        "kv_used": None,
        "kv_tokens": None,
        "computed": 3000,
        "cached": 1000,
        "decoded": 800,
        "busy_per_batch": 1.4,
    },
}


@pytest.mark.parametrize("kind", TOLD)
def test_every_kind_is_known_and_read(kind: str) -> None:
    found = read(page(kind))
    assert found is not None and found.kind == kind
    assert {field: found.told(field) for field in TOLD[kind]} == TOLD[kind]


@pytest.mark.parametrize(
    ("labels", "tokens"),
    [
        ('block_size="16",kv_cache_size_tokens="1000000",num_gpu_blocks="62500"', 1_000_000),
        ('block_size="16",num_gpu_blocks="573"', 9168),
        ('block_size="16",num_gpu_blocks="None"', None),
        ('enable_prefix_caching="True"', None),
    ],
)
def test_the_size_of_a_cache_stands_in_labels(labels: str, tokens: int | None) -> None:
    found = read(f"vllm:num_requests_running 1\nvllm:cache_config_info{{{labels}}} 1.0\n")
    assert found is not None and found.told("kv_tokens") == tokens


def test_old_names_and_values_that_are_none() -> None:
    found = read(
        "vllm:gpu_cache_usage_perc 0.5\nvllm:num_requests_running NaN\nvllm:num_requests_waiting 2 17\n"
    )
    assert found is not None
    assert (found.told("kv_used"), found.told("running"), found.told("waiting")) == (0.5, None, 2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "up 1\n",
        "<html>no</html>",
        "vllm:num_requests_running\n",
        'sglang:num_running_reqs{a="b 1\n',
        "\0\n",
    ],
)
def test_what_is_no_such_page(text: str) -> None:
    assert read(text) is None


def test_most_of_a_long_page_is_not_parsed() -> None:
    bucket = 'vllm:e2e_request_latency_seconds_bucket{engine="0",le="0.3",model_name="m"} 1.0\n'
    began = time.perf_counter()
    found = read(bucket * 20_000 + "vllm:num_requests_running 4\n")
    assert found is not None and found.told("running") == 4
    assert time.perf_counter() - began < 0.5, "parsing all of it takes a second or more"


def test_the_table_holds_names_of_each_kind_only() -> None:
    prefixes = {"vllm": ("vllm:",), "sglang": ("sglang:",), "llama_cpp": ("llamacpp:", "tokenworks_engine_")}
    assert kinds().keys() == prefixes.keys()
    for name, kind in kinds().items():
        for field in ("known_by", "decoded", "running", "waiting", "cached", "kv_used", "kv_tokens"):
            assert all(each.startswith(prefixes[name]) for each in getattr(kind, field)), (name, field)
        assert kind.source.startswith("https://") and kind.turn_on
    assert exposition._entry('a{b="c"}') == ("a", (), (("b", "c"),))
    assert exposition._entry("a[b*c]") == ("a", ("b", "c"), ())


def test_kinds_by_owner_and_title() -> None:
    assert (owner("llamacpp"), owner("vllm"), owner("somebody")) == ("llama_cpp", "vllm", "")
    assert (title("llama_cpp"), title(""), title("new")) == ("llama.cpp", "", "new")

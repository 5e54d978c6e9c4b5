"""What servers tell of their work, in their own words."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from tokenworks.energy.engine_metrics import Counts, fetch, parse

# As the embedded engine answered after two requests at a time and one with a cached prompt.
LLAMA = """\
# HELP llamacpp:prompt_tokens_total Number of prompt tokens processed.
# TYPE llamacpp:prompt_tokens_total counter
llamacpp:prompt_tokens_total 471
llamacpp:prompt_tokens_cached_total 234
llamacpp:prompt_seconds_total 9.26957
llamacpp:tokens_predicted_total 30
llamacpp:tokens_predicted_seconds_total 2.5
llamacpp:n_decode_total 50
llamacpp:prompt_tokens_seconds 50.8653
llamacpp:requests_processing 1
llamacpp:n_busy_slots_per_decode 1.4
"""
OTHER_NEW = """\
vllm:prompt_tokens_total{engine="0",model_name="m"} 1000.0
vllm:prompt_tokens_by_source_total{engine="0",source="local_compute"} 300.0
vllm:prompt_tokens_by_source_total{engine="1",source="local_compute"} 100.0
vllm:prompt_tokens_by_source_total{engine="0",source="local_cache_hit"} 600.0
vllm:generation_tokens_total{engine="0",model_name="m"} 5e+02
vllm:request_prefill_time_seconds_sum{engine="0"} 1.5
vllm:request_decode_time_seconds_sum{engine="0"} 60
vllm:num_requests_running{engine="0"} 12.0
"""
OTHER_OLD = """\
vllm:prompt_tokens_total{model_name="m"} 1000.0
vllm:prompt_tokens_cached_total{model_name="m"} 200.0
vllm:generation_tokens_total{model_name="m"} 500.0
"""
THIRD = """\
sglang:prompt_tokens_total{model_name="m"} 1000.0
sglang:generation_tokens_total{model_name="m"} 400.0
sglang:cached_tokens_total{cache_source="device",model_name="m"} 250.0
sglang:cached_tokens_total{cache_source="host",model_name="m"} 50.0
sglang:num_running_reqs{model_name="m"} 3.0
"""
THIRD_LIVE = (
    THIRD
    + """\
sglang:realtime_tokens_total{mode="prefill_compute"} 690
sglang:realtime_tokens_total{mode="prefill_cache"} 310
sglang:realtime_tokens_total{mode="decode"} 420
"""
)


def test_the_embedded_engine() -> None:
    found = parse(LLAMA)
    assert found is not None
    assert (found.prefill_tokens, found.cached_tokens, found.decode_tokens) == (471, 234, 30)
    assert (found.prefill_s, found.decode_s, found.running) == (9.26957, 2.5, 1)
    assert found.together == pytest.approx(1.4)


@pytest.mark.parametrize(
    ("text", "prefill", "cached", "decode"),
    [
        (OTHER_NEW, 400, 600, 500),
        (OTHER_OLD, 800, 200, 500),
        (THIRD, 700, 300, 400),
        (THIRD_LIVE, 690, 310, 420),
    ],
)
def test_servers_of_others(text: str, prefill: int, cached: int, decode: int) -> None:
    found = parse(text)
    assert found is not None
    assert (found.prefill_tokens, found.cached_tokens, found.decode_tokens) == (prefill, cached, decode)


def test_times_and_requests_at_once() -> None:
    found = parse(OTHER_NEW)
    assert found is not None
    assert (found.prefill_s, found.decode_s, found.together) == (1.5, 60, 12)
    third = parse(THIRD)
    assert third is not None and third.prefill_s is None and third.together == 3


@pytest.mark.parametrize("text", ["", "nonsense", "llamacpp:tokens_predicted_total x\n", "up 1\n"])
def test_what_is_no_engine(text: str) -> None:
    assert parse(text) is None


def test_what_came_since_and_after_a_new_start() -> None:
    before = Counts(100, 10, 50, 1.0, 5.0, 40, 80, 1)
    now = Counts(160, 15, 80, 1.5, 8.0, 60, 120, 2)
    assert now.since(before) == Counts(60, 5, 30, 0.5, 3.0, 20, 40, 2)
    # those that ended just now were decoded beside those that were there before
    over = msgspec.structs.replace(now, batches=None, busy=None, running=0)
    assert over.since(msgspec.structs.replace(before, running=16)).together == 16
    again = Counts(7, 0, 3, 0.1, 0.2, 2, 2, 0)
    assert again.since(before) == again


async def test_it_is_fetched_with_the_engines_key(tmp_path: Path) -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        status = b"200 OK" if b"Bearer k1" in asked[-1] else b"401 Unauthorized"
        writer.write(b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status, len(LLAMA), LLAMA.encode()))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}/metrics"
        found = await asyncio.to_thread(fetch, url, "k1")
        assert found is not None and found.decode_tokens == 30
        assert await asyncio.to_thread(fetch, url) is None
        assert asked[0].startswith(b"GET /metrics HTTP/1.1")
    assert await asyncio.to_thread(fetch, url, "k1") is None, "nobody is there any more"

"""From pages of metrics to load: rates, shares, and starts anew."""

from __future__ import annotations

from model_server import page

from tokenworks.engines.exposition import Page, read
from tokenworks.engines.load import HITS_S, RATE_S, Load, Looks


def told(prompt: float, cached: float, decoded: float, running: int = 1) -> Page:
    found = read(
        f'vllm:prompt_tokens_by_source_total{{source="local_compute"}} {prompt - cached}\n'
        f'vllm:prompt_tokens_by_source_total{{source="local_cache_hit"}} {cached}\n'
        f"vllm:generation_tokens_total {decoded}\nvllm:num_requests_running {running}\n"
    )
    assert found is not None
    return found


def test_the_first_look_knows_no_speed() -> None:
    found = read(page("vllm"))
    assert found is not None
    load = Looks().see(100.0, found)
    assert load == Load(12, 3, 0.375, 320_000, 0.3, None, None)
    assert (load.under_way, load.kv_free_tokens) == (15, 200_000)
    assert Load(1).kv_free_tokens is None


def test_speeds_are_of_the_last_seconds_and_hits_of_the_last_minutes() -> None:
    looks = Looks()
    looks.see(0.0, told(1000, 0, 100))
    load = looks.see(2.0, told(3000, 500, 400))
    assert (load.prompt_per_s, load.output_per_s, load.cached) == (1000, 150, 0.25)
    load = looks.see(2.0 + RATE_S, told(4000, 1500, 400 + 123 * RATE_S))
    assert (load.prompt_per_s, load.output_per_s) == (100, 123)
    assert load.cached == 0.5  # 1500 of 3000 since the first look
    load = looks.see(2.0 + RATE_S + HITS_S, told(4000, 1500, 9000))
    assert load.prompt_per_s is None, "no look in the last ten seconds but this one"
    assert load.cached == 0.375, "no prompt in these minutes, so it is of all since the start"


def test_what_only_flickers_is_no_news() -> None:
    looks = Looks()
    looks.see(0.0, told(0, 0, 0))
    one = looks.see(2.0, told(200, 0, 200.04))
    looks = Looks()
    looks.see(0.0, told(0, 0, 0))
    assert looks.see(2.001, told(200, 0, 200.05)) == one


def test_a_server_that_began_anew_is_not_faster_than_light() -> None:
    looks = Looks()
    looks.see(0.0, told(100_000, 50_000, 80_000))
    load = looks.see(2.0, told(10, 0, 3))
    assert (load.prompt_per_s, load.output_per_s, load.cached) == (None, None, 0.0)
    load = looks.see(4.0, told(30, 10, 13))
    assert (load.prompt_per_s, load.output_per_s, load.cached) == (10, 5, 0.5)
    looks.forget()
    assert looks.see(6.0, told(50, 10, 13)).output_per_s is None


def test_hits_and_queries_where_nothing_better_is_told() -> None:
    def old(hits: int, queries: int) -> Page:
        found = read(
            f"vllm:gpu_prefix_cache_hits_total {hits}\nvllm:gpu_prefix_cache_queries_total {queries}\n"
            "vllm:num_requests_running 0\nvllm:prompt_tokens_total 5\n"
        )
        assert found is not None
        return found

    looks = Looks()
    assert looks.see(0.0, old(10, 100)).cached == 0.1
    assert looks.see(2.0, old(90, 200)).cached == 0.8

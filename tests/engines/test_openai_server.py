"""The watch of a server that somebody else runs."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from model_server import NAME, ModelServer, model_server, page

from tokenworks.config.settings import EngineSettings
from tokenworks.engines.openai_server import MISSES, ServerWatch
from tokenworks.engines.state import EngineState


class Watch:
    def __init__(self, url: str, key: str = "", served_as: str = NAME) -> None:
        self.heard: list[EngineState] = []
        self.threads = ThreadPoolExecutor(1)
        settings = EngineSettings("m", runtime="openai_server", url=url, served_as=served_as, watch_s=0.02)
        self.server = ServerWatch("big", settings, key, self.heard.append, self.threads)

    async def until(self, condition: Callable[[EngineState], bool]) -> EngineState:
        deadline = time.monotonic() + 10
        while not condition(self.server.state):
            assert time.monotonic() < deadline, self.heard
            await asyncio.sleep(0.005)
        return self.server.state


async def looks(server: ModelServer, count: int) -> None:
    """Until so many have begun."""
    begun = server.asked.count("/health") + count
    while server.asked.count("/health") < begun:  # noqa: ASYNC110 - a thread counts
        await asyncio.sleep(0.005)


@asynccontextmanager
async def watching(url: str, key: str = "", served_as: str = NAME) -> AsyncIterator[Watch]:
    watch = Watch(url, key, served_as)
    try:
        yield watch
    finally:
        await watch.server.stop()
        watch.threads.shutdown(wait=True)


async def test_the_first_start_waits_for_the_first_look() -> None:
    with model_server() as server:
        async with watching(server.url) as watch:
            one, two = await asyncio.gather(watch.server.start(), watch.server.start())
            assert one is two and one.state == "ready"
            assert (one.url, one.served_as, one.kind, one.port) == (server.url, NAME, "vllm", 0)
            assert one.load is not None and (one.load.running, one.load.kv_free_tokens) == (12, 200_000)


async def test_only_what_changes_is_told() -> None:
    with model_server() as server:
        async with watching(server.url) as watch:
            await watch.server.start()
            await watch.until(lambda state: state.load is not None and state.load.output_per_s == 0)
            told = len(watch.heard)
            await looks(server, 10)
            assert len(watch.heard) == told
            server.metric("vllm:num_requests_waiting", 50)
            state = await watch.until(lambda state: state.load is not None and state.load.waiting == 100)
            assert watch.heard[-1] is state


async def test_one_missed_look_changes_nothing_three_do() -> None:
    with model_server() as server:
        async with watching(server.url) as watch:
            await watch.server.start()
            before = len(watch.heard)
            server.routes["/health"] = 500, "x"
            await watch.until(lambda state: state.state == "unreachable")
            seen = [state.state for state in watch.heard[before:]]
            assert seen[-1] == "unreachable" and set(seen[:-1]) == {"ready"}
            assert watch.server._misses >= MISSES
            assert (watch.server.state.reason, watch.server.state.load) == ("answers 500", None)
            server.routes["/health"] = 200, ""
            state = await watch.until(lambda state: state.state == "ready")
            assert state.reason == "" and state.load is not None and state.load.output_per_s is None
            assert server.asked.count("/v1/models") == 2, "asked again after it was away"


async def test_a_server_that_is_not_there_and_comes() -> None:
    with model_server() as server:
        server.down()
        async with watching(server.url) as watch:
            state = await watch.server.start()
            assert (state.state, state.reason) == ("unreachable", "refuses connections")
            server.up()
            await watch.until(lambda state: state.state == "ready")


async def test_another_model_and_a_wrong_key() -> None:
    with model_server(key="k") as server:
        async with watching(server.url, "k", served_as="other") as watch:
            state = await watch.server.start()
            assert (state.state, state.reason) == ("unreachable", f"serves {NAME} and not other")
        async with watching(server.url, "wrong") as watch:
            state = await watch.server.start()
            assert state.state == "unreachable" and state.reason.startswith("wants a key")


async def test_without_metrics_it_is_ready_and_they_are_asked_for_rarely() -> None:
    with model_server("other") as server:
        async with watching(server.url) as watch:
            state = await watch.server.start()
            assert (state.state, state.load, state.kind) == ("ready", None, "")
            await looks(server, 10)
            assert server.asked.count("/metrics") == 1
            server.routes["/metrics"] = 200, page("sglang")
            watch.server._metrics_at = time.monotonic()
            state = await watch.until(lambda state: state.load is not None)
            assert state.kind == "sglang"


async def test_whatever_it_sends_the_watch_goes_on() -> None:
    with model_server() as server:
        async with watching(server.url) as watch:
            await watch.server.start()
            for body in ("\x00\xff", "vllm:num_requests_running{", "vllm:num_requests_running 1e999"):
                server.routes["/metrics"] = 200, body
                await looks(server, 2)
                watch.server._metrics_at = 0.0
            server.routes["/metrics"] = 200, page("vllm")
            await watch.until(lambda state: state.load is not None and state.load.running == 12)


async def test_one_that_hangs_does_not_hold_up_the_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        began = time.monotonic()
        async with watching(f"http://127.0.0.1:{listening.getsockname()[1]}") as watch:
            watch.server.watch()
            await asyncio.sleep(0.1)
            assert watch.server.state.state == "starting"
        assert time.monotonic() - began < 3


def test_a_glance_needs_no_loop() -> None:
    with model_server("sglang") as server:
        settings = EngineSettings("m", runtime="openai_server", url=server.url, served_as=NAME)
        state = ServerWatch("big", settings, "", lambda state: None).glance()
        assert state.state == "ready" and state.load is not None and state.load.running == 4
    state = ServerWatch("big", settings, "", lambda state: None).glance()
    assert (state.state, state.reason) == ("unreachable", "refuses connections")

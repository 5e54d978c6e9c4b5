"""A worker of batches in a thread of this process, its store, and a provider that stands for the gateway."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from batching import PEPPER
from fresh_store import fresh_store
from tiny_recipe import RECIPE

from tokenworks.batches.engine import engine_url
from tokenworks.batches.timing import Timing
from tokenworks.batches.worker import BatchWorker
from tokenworks.ledger.store import Store
from tokenworks.providers.scripted import ThreadedProvider, running

QUICK = Timing(
    look_s=0.05, round_s=0.05, poll_s=0.05, away_s=0.02, backoff_s=0.01, again_s=0.05, resume_s=0.3
)


class Floor:
    """What a test of a whole batch needs. The provider echoes until it is told otherwise."""

    def __init__(self, folder: Path, provider: ThreadedProvider) -> None:
        self.provider = provider
        self.url = f"sqlite:///{folder / 'ledger.db'}"
        self.store: Store = fresh_store(self.url)
        self.worker: BatchWorker | None = None
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(20)

    def _run(self) -> None:
        async def work() -> None:
            self.worker = BatchWorker(
                self.store,
                engine_url(self.url),
                self.provider.origin,
                PEPPER,
                "here",
                concurrency=8,
                timing=QUICK,
                find=lambda _: RECIPE,
            )
            self._ready.set()
            await self.worker.run()

        self._loop.run_until_complete(work())

    def close(self) -> None:
        assert self.worker is not None
        self._loop.call_soon_threadsafe(self.worker.stop.set)
        self._thread.join(20)
        self.worker.engine.close()
        self.worker.patience.close()
        self._loop.close()
        self.store.close()


@pytest.fixture(scope="module")
def whole_floor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floor]:
    with running() as provider:
        made = Floor(tmp_path_factory.mktemp("floor"), provider)
        made.start()
        yield made
        made.close()


@pytest.fixture
def floor(whole_floor: Floor) -> Floor:
    """The same for all tests of a file; each finds a provider that echoes and remembers nothing."""
    whole_floor.provider.play(None)
    whole_floor.provider.reset()
    return whole_floor

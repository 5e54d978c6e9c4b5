"""A worker of batches, which knows ``tiny`` too: STORE_URL GATEWAY_URL NAME [TIMING=SECONDS ...]."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parent))

from batching import PEPPER
from tiny_recipe import RECIPE

from tokenworks.app.batch_worker import leave
from tokenworks.batches.cookbook import recipe
from tokenworks.batches.engine import engine_url
from tokenworks.batches.timing import Timing
from tokenworks.batches.worker import BatchWorker
from tokenworks.ledger.store import open_store


async def work(store_url: str, gateway_url: str, name: str, timing: Timing) -> None:
    worker = BatchWorker(
        open_store(store_url),
        engine_url(store_url),
        gateway_url,
        PEPPER,
        name,
        concurrency=8,
        timing=timing,
        find=lambda kind: RECIPE if kind == "tiny" else recipe(kind),
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop.set)
    await worker.run()
    leave(0)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    quick = {"look_s": 0.1, "round_s": 0.1, "poll_s": 0.1, "away_s": 0.05, "backoff_s": 0.01}
    given = {key: float(value) for key, _, value in (word.partition("=") for word in sys.argv[4:])}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work(*sys.argv[1:4], Timing(**(quick | given))))

"""A worker of batches that knows recipes of tests: STORE_URL GATEWAY_URL NAME [TIMING=SECONDS ...]."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parent))

import deadly_recipe
import tiny_recipe
from batching import PEPPER
from native_batches import catalog

from tokenworks.app.batch_worker import leave
from tokenworks.app.native_batches import let_hand_in
from tokenworks.batches.cookbook import recipe
from tokenworks.batches.engine import engine_url
from tokenworks.batches.native.errand import Pauses
from tokenworks.batches.timing import Timing
from tokenworks.batches.worker import BatchWorker
from tokenworks.ledger import sqlite_file
from tokenworks.ledger.store import open_store

KNOWN = {"tiny": tiny_recipe.RECIPE, "deadly": deadly_recipe.RECIPE}


async def work(store_url: str, gateway_url: str, name: str, timing: Timing) -> None:
    worker = BatchWorker(
        open_store(store_url),
        engine_url(store_url),
        gateway_url,
        PEPPER,
        name,
        concurrency=8,
        timing=timing,
        find=lambda kind: KNOWN[kind] if kind in KNOWN else recipe(kind),
    )
    if url := os.environ.get("NATIVE_URL"):  # whose batch API takes what is for acme/fast
        made = catalog(Path(store_url.removeprefix("sqlite:///")).parent, os.environ["NATIVE_KIND"], url)
        let_hand_in(worker, PEPPER, lambda: made, lambda _: "", Pauses(look_s=0.1, grace_s=0.3))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop.set)
    await worker.run()
    leave(0)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    quick = {"look_s": 0.1, "round_s": 0.1, "poll_s": 0.1, "away_s": 0.05, "backoff_s": 0.01}
    quick |= {"groups_s": 0.2, "rest_s": 0.3}
    sqlite_file.BUSY_S = float(os.environ.get("BUSY_S", sqlite_file.BUSY_S))
    given = {key: float(value) for key, _, value in (word.partition("=") for word in sys.argv[4:])}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work(*sys.argv[1:4], Timing(**(quick | given))))

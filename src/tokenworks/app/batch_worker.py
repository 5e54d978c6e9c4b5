"""The process that works at batches, on any machine that reaches the store and a gateway.

The supervisor starts ``python -m tokenworks.app.batch_worker``; by hand it is ``tokenworks worker``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from typing import BinaryIO

import uvloop

from tokenworks.app.batch_birth import USUAL, unpack
from tokenworks.app.native_batches import equip
from tokenworks.batches.engine import engine_url
from tokenworks.batches.timing import Timing
from tokenworks.batches.worker import BatchWorker, GivenUp
from tokenworks.config.settings import Settings
from tokenworks.errors import TokenworksError
from tokenworks.ledger.store import open_store

log = logging.getLogger(__name__)

NICE = 10  # those who wait for an answer come first


def run(settings: Settings, name: str, url: str, timing: Timing = USUAL) -> int:
    """Work until SIGTERM or Ctrl-C; the process's exit status. It must end then: threads may be left.

    Raises ``ConfigError`` without the engine's library, ``StoreError`` where the store can't be reached.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(settings, name, url, timing))


async def _run(settings: Settings, name: str, url: str, timing: Timing) -> int:
    store = open_store(settings.store_url, fsync=settings.ledger.fsync)
    await asyncio.to_thread(store.migrate)
    worker = BatchWorker(
        store,
        engine_url(settings.store_url),
        url,
        settings.pepper,
        name,
        concurrency=settings.batches.concurrency,
        keep_days=settings.batches.keep_days,
        timing=timing,
    )
    equip(worker, settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop.set)
    try:
        await worker.run()
    except GivenUp as error:
        log.error("batches: %s", error)
        leave(1)
    leave(0)
    return 0


def leave(status: int) -> None:
    """At once: threads of the engine wait for work that others go on with."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)


def _leave_with(supervisor: BinaryIO) -> None:
    """End when the supervisor does, however it does."""
    while supervisor.read(1):
        pass
    os._exit(1)


def main() -> None:
    """Read the birth and work."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is the supervisor's business
    os.nice(NICE)
    stdin = sys.stdin.buffer
    birth = unpack(stdin)
    threading.Thread(target=_leave_with, args=(stdin,), daemon=True).start()
    try:
        run(birth.settings, birth.name, birth.url, birth.timing)
    except TokenworksError as error:
        log.error("batches: %s", error.message)
        leave(1)


if __name__ == "__main__":
    main()

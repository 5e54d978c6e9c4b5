"""Calls of the store and of recipes, in threads: the loop never waits for them, and a store that is away is
asked until it is back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from tokenworks.errors import StoreError

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
FIRST_S, MOST_S = 0.2, 5.0


class Patience:
    """Threads for such calls."""

    def __init__(self, threads: int = 4) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="batches")
        self._complained = False

    async def once(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What ``call`` returns or raises."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, lambda: call(*args, **kwargs))

    async def sure(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same, done again until the store takes it; so it must be harmless when done twice."""
        wait_s = FIRST_S
        while True:
            try:
                found = await self.once(call, *args, **kwargs)
            except StoreError as error:
                if not self._complained:
                    log.error("batches: %s; trying again until it works", error)
                self._complained = True
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, MOST_S)
            else:
                self._complained = False
                return found

    def close(self) -> None:
        """End the threads; what runs comes to its end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

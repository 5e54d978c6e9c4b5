"""A burst of concurrent requests against a budget, and what became of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from limiting import limit, spent
from raw_caller import RawCaller
from serving import Server, acme, chat

from tokenworks.errors import StoreError
from tokenworks.ledger.claims import is_abandoned, listed
from tokenworks.ledger.store import Store, open_store
from tokenworks.plans import keys
from tokenworks.providers.scripted import Reply, Script, When
from tokenworks.providers.scripted.reply import Tokens

OUTPUT_MTOK = 100.0  # $ per million: 500 tokens cost $0.05
MOST_TOKENS = 500
USD = 1_000_000_000


def randomised(seed: int, kinds: int = 40) -> Script:
    """A provider whose answers have from 1 to ``MOST_TOKENS`` tokens, and take 20 to 200 ms."""
    draw = random.Random(seed)
    replies = [
        Reply(
            when=When(says=f"<{number}>"),
            tokens=draw.randint(1, MOST_TOKENS),
            first_byte_delay_s=draw.uniform(0.02, 0.2),
            usage=Tokens(input_tokens=0),
        )
        for number in range(kinds)
    ]
    return Script(reply=tuple(replies))


class Burst(NamedTuple):
    """What became of one."""

    statuses: Counter[int]  # 0: the connection broke
    spent_nano_usd: int  # by the budget's account
    recorded_nano_usd: int  # by the ledger
    records: int


async def burst(
    urls: Sequence[str], key: str, requests: int, kinds: int = 40, timeout_s: float = 60.0
) -> Counter[int]:
    """``requests`` at once, dealt to ``urls``; the statuses."""
    statuses: Counter[int] = Counter()

    async def one(number: int) -> None:
        body = chat(f"<{random.randrange(kinds)}>", max_tokens=MOST_TOKENS, stream=number % 3 == 0)
        port = urlsplit(urls[number % len(urls)]).port
        assert port is not None
        caller = RawCaller(port, key, timeout_s)  # a connection each: in a pool all wait for each other
        statuses[(await caller.post("/v1/chat/completions", json.dumps(body).encode())).status] += 1
        await caller.close()

    await asyncio.gather(*(one(number) for number in range(requests)))
    return statuses


def budgeted_key(store: Store, pepper: bytes, usd: float, *, strict: bool = True) -> tuple[str, str, str]:
    """A new key with a budget: its id, its secret, the budget's id."""
    key_id, secret = keys.create(store, f"burst-{time.monotonic_ns()}", pepper)
    return key_id, secret, limit(store, key_id, "usd", usd, "month", strict=strict)


def outcome(store: Store, key_id: str, budget: str, statuses: Counter[int], wait_s: float = 10.0) -> Burst:
    """What was spent, once the drainers have brought everything to the store."""
    deadline, last = time.monotonic() + wait_s, (-1, -1, -1)
    while True:
        usage = store.key_usage(key_id)
        now = (spent(store, budget), usage.cost_nano_usd, usage.requests)
        done = now == last and now[2] >= statuses[200] + statuses[402]
        if done or time.monotonic() > deadline:
            return Burst(statuses, *now)
        last = now
        time.sleep(0.4)


@contextlib.contextmanager
def gateways(
    folder: Path,
    upstream_url: str,
    store_url: str = "",
    count: int = 1,
    workers: int = 4,
    wait_s: float = 5.0,
) -> Iterator[tuple[list[Server], Store, bytes]]:
    """Started gateways on one store (empty: SQLite in the first one's home), the store, and their pepper."""
    config = acme(upstream_url, input_mtok=0.0, output_mtok=OUTPUT_MTOK)
    config = f"[limits]\nwait_s = {wait_s}\n{config}"
    if store_url:
        config = f'[ledger]\nstore = "{store_url}"\n{config}'
    servers: list[Server] = []
    store: Store | None = None
    try:
        for number in range(count):
            home = folder / f"home{number}"
            if servers:  # keys are checked with the pepper, so all need the same
                home.mkdir(parents=True)
                (home / "pepper").write_bytes((servers[0].home / "pepper").read_bytes())
                (home / "pepper").chmod(0o600)
            servers.append(Server(home, config, workers))
        for server in servers:
            server.start()
        for server in servers:  # else a killer may find nobody to kill
            server.until_all_ready()
        store = open_store(store_url or f"sqlite:///{servers[0].home / 'tokenworks.db'}")
        yield servers, store, (servers[0].home / "pepper").read_bytes()
    finally:
        for server in servers:
            server.close()
        if store is not None:
            store.close()


def until_buried(store: Store, journals: Path, at_most_s: float = 30.0) -> float:
    """Seconds until only living workers hold leases; raises AssertionError when it takes too long.

    They may keep the little that they have: who alone asked in vain keeps it until it has lain idle.
    """
    begun = time.monotonic()
    while True:
        try:
            dead = sorted({*store.lease_holders("")} - _living(journals))
        except StoreError:
            dead = ["unknown"]
        took = time.monotonic() - begun
        if not dead:
            return took
        assert took < at_most_s, f"leased by the dead after {took:.0f} s: {', '.join(dead)}"
        time.sleep(0.1)


def _living(journals: Path) -> set[str]:
    """The workers that keep their files locked."""
    living = set()
    for file in listed(journals):
        with contextlib.suppress(FileNotFoundError), file.path.open("rb") as opened:
            if not is_abandoned(opened.fileno()):
                living.add(file.worker)
    return living


class Killer(threading.Thread):
    """Kills what ``strike`` kills, ``times`` times at random moments.

    The thread itself lives on: what it has started may be made to die with the thread that started it.
    """

    def __init__(self, strike: Callable[[], None], times: int, seed: int, longest_s: float = 0.7) -> None:
        super().__init__(daemon=True)
        self.strike, self.times, self.struck = strike, times, 0
        self.draw, self.longest_s = random.Random(seed), longest_s
        self.over = threading.Event()

    def run(self) -> None:
        for _ in range(self.times):
            time.sleep(self.draw.uniform(0.1, self.longest_s))
            try:
                self.strike()
                self.struck += 1
            except (ProcessLookupError, FileNotFoundError, IndexError):  # dead already
                continue
        self.over.set()
        threading.Event().wait()

    def wait(self) -> int:
        """Until it has struck for the last time; returns how often it did."""
        assert self.over.wait(120)
        return self.struck

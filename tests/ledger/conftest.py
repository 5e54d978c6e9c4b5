"""What the ledger's tests share: records with telling values, and a store of their own."""

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tokenworks.ledger.record import Record
from tokenworks.ledger.sqlite import SqliteStore

MakeRecord = Callable[..., Record]
BASE_US = 1_764_000_100_000_000  # 100 s into an hour


@pytest.fixture
def make() -> MakeRecord:
    """Records with distinct ids, a second apart; any field may be given."""
    serial = itertools.count()

    def record(**fields: Any) -> Record:
        number = next(serial)
        time_us = fields.pop("time_us", BASE_US + number * 1_000_000)
        values: dict[str, Any] = {
            "id": f"gen-{time_us // 1_000_000}-{number:08x}",
            "key_id": "k_1",
            "app": "app",
            "session": f"s{number % 7}",
            "requested_model": "fast",
            "model": "acme/fast",
            "provider": "acme",
            "status": 200,
            "outcome": "ok",
            "finish_reason": "stop",
            "attempts": 1,
            "uncached_input_tokens": 100,
            "cache_read_tokens": 10,
            "cache_write_tokens": 1,
            "output_tokens": 20,
            "reasoning_tokens": 5,
            "price_id": "acme/fast@1",
            "cost_nano_usd": 1_000,
            "latency_us": 2_000,
            "ttft_us": 500,
        }
        return Record(time_us=time_us, **(values | fields))

    return record


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(str(tmp_path / "ledger.db"))
    made.migrate()
    yield made
    made.close()


@pytest.fixture
def wait_for() -> Callable[[Callable[[], bool]], None]:
    """Poll a condition for at most five seconds."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.005)

    return wait

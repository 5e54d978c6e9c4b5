"""Batches for tests: their rows, and workers in processes of their own."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from serving import chat

from tokenworks.ledger.batched import BatchRow, FileRow, PartRow
from tokenworks.ledger.store import Store
from tokenworks.providers.scripted import ThreadedProvider

PEPPER = bytes(range(32))

_SERIAL = itertools.count(1)
FAR_US = 10**17


def file_row(**fields: Any) -> FileRow:
    """An upload of key k_1 with an id of its own."""
    values: dict[str, Any] = {
        "id": f"file-{next(_SERIAL):024x}",
        "key_id": "k_1",
        "name": "in.jsonl",
        "purpose": "batch",
        "bytes": 0,
        "created_us": time.time_ns() // 1000,
    }
    return FileRow(**(values | fields))


def batch_row(**fields: Any) -> BatchRow:
    """A batch of requests of key k_1 that is under way, with an id of its own."""
    values: dict[str, Any] = {
        "id": f"batch_{next(_SERIAL):024x}",
        "key_id": "k_1",
        "kind": "requests",
        "status": "in_progress",
        "created_us": time.time_ns() // 1000,
        "expires_us": FAR_US,
        "endpoint": "/v1/chat/completions",
    }
    return BatchRow(**(values | fields))


def part_rows(batch_id: str, count: int, **fields: Any) -> list[PartRow]:
    """Parts 0 to ``count`` - 1."""
    return [PartRow(**({"batch_id": batch_id, "seq": n, "id": f"p{n}"} | fields)) for n in range(count)]


def submitted(store: Store, count: int, texts: str = "nr {}", **fields: Any) -> BatchRow:
    """A batch of so many chat requests, in the store."""
    row = batch_row(**fields)
    store.add_batch(msgspec.structs.replace(row, status="paused"))  # a worker is not to see half of it
    rows = [
        msgspec.structs.replace(part, request=msgspec.json.encode(chat(texts.format(part.seq))))
        for part in part_rows(row.id, count)
    ]
    store.add_parts(row.id, rows)
    store.update_batch(row.id, status=row.status)
    return row


def handed_in(store: Store, lanes: Mapping[str, str | bytes], kind: str = "tiny", **fields: Any) -> BatchRow:
    """A recipe's batch over these files: name → what it holds."""
    files = []
    for name, text in lanes.items():
        row = file_row(purpose="recipe", name=name)
        store.add_file(row)
        body = text.encode() if isinstance(text, str) else text
        store.append_file(row.id, 0, body)
        store.finish_file(row.id, len(body))
        files.append(row.id)
    values = {"kind": kind, "status": "validating", "model": "acme/fast", "endpoint": ""} | fields
    batch = batch_row(input_files=tuple(files), **values)
    store.add_batch(batch)
    return batch


def until(store: Store, batch_id: str, good: Callable[[BatchRow], bool], timeout_s: float = 60.0) -> BatchRow:
    """The batch, once it is so."""
    deadline = time.monotonic() + timeout_s
    while True:
        row = store.batch(batch_id)
        assert row is not None
        if good(row):
            return row
        assert time.monotonic() < deadline, row
        time.sleep(0.02)


def over(row: BatchRow) -> bool:
    """It has come to its end."""
    return row.finished_us is not None


def lines_of(store: Store, file_id: str) -> list[dict[str, Any]]:
    """The lines of a file in the store."""
    return [msgspec.json.decode(line) for line in b"".join(store.read_file(file_id)).splitlines()]


def asked_for(provider: ThreadedProvider) -> list[str]:
    """The part that each request was for, in order."""
    return [request.headers["x-tokenworks-part"] for request in provider.requests]


class WorkerProcess:
    """A worker of batches in a process of its own (``batch_process.py``), killable."""

    started: ClassVar[list[WorkerProcess]] = []

    def __init__(
        self,
        store_url: str,
        gateway_url: str,
        name: str,
        log: Path,
        scratch: Path | None = None,
        **timing: float,
    ) -> None:
        """``scratch``: where it keeps files for a while."""
        script = Path(__file__).with_name("batch_process.py")
        values = [f"{key}={value}" for key, value in timing.items()]
        with log.open("a") as out:
            self.process = subprocess.Popen(
                [sys.executable, str(script), store_url, gateway_url, name, *values],
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TMPDIR": str(scratch)} if scratch else None,
            )
        self.started.append(self)

    @classmethod
    def kill_all(cls) -> None:
        """Whatever became of the test."""
        while cls.started:
            cls.started.pop().kill()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        self.process.terminate()
        return self.process.wait(30)

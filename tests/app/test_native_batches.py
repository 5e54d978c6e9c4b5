"""Whole batches that go to a provider's batch API, by workers that are killed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from batching import PEPPER, WorkerProcess, batch_row, lines_of, over, part_rows, until
from fresh_store import fresh_store
from limiting import leased, limit, spent

from tokenworks.app.native_batches import equip
from tokenworks.batches.native.natives import taken
from tokenworks.batches.native.offer import offer
from tokenworks.config.settings import Settings
from tokenworks.ledger.store import Store
from tokenworks.plans import keys
from tokenworks.providers.scripted import Fault, Reply, Script, ThreadedProvider, When, running

COUNT = 40
SOON_US = 26 * 3_600_000_000


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    WorkerProcess.kill_all()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    made = fresh_store(url)
    yield made
    made.close()


@pytest.fixture
def kind() -> str:
    return "files"


both = pytest.mark.parametrize("kind", ["files", "messages"])


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch, kind: str) -> Iterator[ThreadedProvider]:
    with running(Script(bulk_delay_s=0.7)) as made:
        monkeypatch.setenv("NATIVE_URL", made.origin)
        monkeypatch.setenv("NATIVE_KIND", kind)
        yield made


def ordered(store: Store, **fields: Any) -> Any:
    key_id, _ = keys.create(store, "somebody", PEPPER)
    row = batch_row(key_id=key_id, expires_us=time.time_ns() // 1000 + SOON_US, **fields)
    store.add_batch(msgspec.structs.replace(row, status="paused"))
    said = {"model": "acme/fast", "max_tokens": 20}
    store.add_parts(
        row.id,
        [
            msgspec.structs.replace(
                part,
                request=msgspec.json.encode(
                    {**said, "messages": [{"role": "user", "content": f"nr {part.seq}"}]}
                ),
            )
            for part in part_rows(row.id, COUNT)
        ],
    )
    return row


def start(store: Store, row: Any) -> None:
    store.update_batch(row.id, status="in_progress")


def worker(url: str, provider: ThreadedProvider, folder: Path) -> WorkerProcess:
    return WorkerProcess(url, provider.origin, "w", folder / "log")


def one_by_one(provider: ThreadedProvider) -> int:
    return sum(request.wire is not None for request in provider.requests)


@both
def test_killed_between_hand_in_and_results_it_is_handed_in_and_paid_once(
    store: Store, url: str, provider: ThreadedProvider, tmp_path: Path
) -> None:
    bulk = provider.provider.stage.bulk
    row = ordered(store)
    budget = limit(store, row.key_id, "usd", 1.0)
    start(store, row)
    first = worker(url, provider, tmp_path)
    provider.until(lambda _: bool(bulk.handed_in), 30)
    first.kill()
    assert "a provider has 40 of its requests" in store.batch(row.id).note
    assert store.batch(row.id).done == 0 and leased(store, budget) > 0 and len(taken(store, row)) == COUNT
    worker(url, provider, tmp_path)
    ended = until(store, row.id, over)
    assert (ended.status, ended.done, ended.failed, ended.note) == ("completed", COUNT, 0, ""), ended
    lines = lines_of(store, ended.output_file_id)
    said = [line["response"]["body"]["choices"][0]["message"]["content"] for line in lines]
    assert said == [f"You said: nr {n}" for n in range(COUNT)]
    assert len(bulk.handed_in) == 1 and len(bulk.answered) == COUNT and one_by_one(provider) == 0
    totals = store.totals()
    assert (
        totals.requests == COUNT and totals.cost_nano_usd == ended.cost_nano_usd == spent(store, budget) > 0
    )
    assert leased(store, budget) == 0 and taken(store, row) == frozenset()
    # words are tokens: half of $100 a million in, of $200 out
    assert ended.cost_nano_usd == ended.input_tokens * 50_000 + ended.output_tokens * 100_000


def test_what_a_provider_did_not_run_is_asked_one_by_one(
    store: Store, url: str, provider: ThreadedProvider, tmp_path: Path
) -> None:
    hangs = Reply(when=When(says="nr 7", nth=1), fault=Fault(kind="hang"))
    wrong = Reply(
        when=When(says="nr 8"), fault=Fault(kind="status", status=400, error_type="invalid_request_error")
    )
    provider.play(Script(bulk_delay_s=0.3, reply=(hangs, wrong)))
    row = ordered(store)
    start(store, row)
    worker(url, provider, tmp_path)
    ended = until(store, row.id, over)
    assert (ended.status, ended.done, ended.failed) == ("completed", COUNT - 1, 1), ended
    assert one_by_one(provider) == 1


def test_a_cancel_is_passed_on(store: Store, url: str, provider: ThreadedProvider, tmp_path: Path) -> None:
    provider.play(Script(bulk_delay_s=60))
    row = ordered(store)
    start(store, row)
    worker(url, provider, tmp_path)
    provider.until(lambda p: bool(p.provider.stage.bulk.handed_in), 30)
    store.update_batch(row.id, status="cancelling")
    ended = until(store, row.id, over)
    assert (ended.status, ended.done) == ("cancelled", 0) and provider.provider.stage.bulk.answered == []
    assert sum(request.path.endswith("/cancel") for request in provider.requests) == 1
    assert len(lines_of(store, ended.error_file_id)) == COUNT


def test_what_it_may_not_cost_by_estimate_is_asked_one_by_one(
    store: Store, url: str, provider: ThreadedProvider, tmp_path: Path
) -> None:
    """Both ways go on side by side; what is under way at the provider counts as what it may come to."""
    row = ordered(store, max_cost_nano_usd=25 * 2_500_000)
    start(store, row)
    worker(url, provider, tmp_path)
    provider.until(lambda p: bool(p.provider.stage.bulk.handed_in), 30)
    handed_in = len(taken(store, row))
    assert 20 <= handed_in < COUNT
    assert until(store, row.id, over).done == COUNT
    assert one_by_one(provider) == COUNT - handed_in


async def test_a_server_lends_its_keys(store: Store, tmp_path: Path) -> None:
    secrets = {"openai": "sk-1"}
    settings = Settings(home=tmp_path, source=None, pepper=PEPPER, secrets=secrets)
    worker: Any = SimpleNamespace(store=store, jobs=SimpleNamespace(natives=None), patience=None)
    worker.settling = worker.standing = None
    equip(worker, settings)
    natives = worker.jobs.natives
    found = offer(natives._catalog(), "openai/gpt-5.4", SOON_US)
    assert found is not None and found.endpoint.provider == "openai"
    way = natives._reach(found)
    assert "authorization: Bearer sk-1\r\n" in way._line._common and way._line._prefix == "/v1"

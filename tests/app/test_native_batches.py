"""Whole batches that go to a provider's batch API, by workers that are killed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from batching import PEPPER, WorkerProcess, batch_row, lines_of, over, part_rows, until
from fresh_store import fresh_store
from limiting import leased, limit, spent

from tokenworks.app import native_batches as module
from tokenworks.app.native_batches import equip
from tokenworks.batches.native.natives import taken
from tokenworks.batches.native.offer import offer
from tokenworks.config.settings import ProviderSettings, Settings
from tokenworks.ledger.store import Store
from tokenworks.plans import keys
from tokenworks.providers.scripted import Fault, Reply, Script, ThreadedProvider, When, running

COUNT = 40
SOON_US = 26 * 3_600_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = fresh_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield made
    made.close()


class Floor:
    """A store, a provider and a worker between them."""

    def __init__(self, folder: Path, provider: ThreadedProvider) -> None:
        self.provider, self._folder = provider, folder
        self._url = f"sqlite:///{folder / 'ledger.db'}"
        self.store = fresh_store(self._url)
        self.start()

    def start(self) -> None:
        self.worker = WorkerProcess(self._url, self.provider.origin, "w", self._folder / "log")

    @property
    def bulk(self) -> Any:
        return self.provider.provider.stage.bulk

    def play(self, script: Script) -> None:
        """From here on, with nothing counted before."""
        self.provider.play(script)
        self.before = len(self.provider.requests), len(self.bulk.handed_in), len(self.bulk.answered)

    def one_by_one(self) -> int:
        return sum(request.wire is not None for request in self.provider.requests[self.before[0] :])


@contextmanager
def working(folder: Path, kind: str) -> Iterator[Floor]:
    with running(Script(bulk_delay_s=0.5)) as provider, pytest.MonkeyPatch.context() as patch:
        patch.setenv("NATIVE_URL", provider.origin)
        patch.setenv("NATIVE_KIND", kind)
        floor = Floor(folder, provider)
        try:
            yield floor
        finally:
            WorkerProcess.kill_all()
            floor.store.close()


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floor]:
    with working(tmp_path_factory.mktemp("native"), "files") as made:
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


def test_killed_between_hand_in_and_results_it_is_handed_in_and_paid_once(tmp_path: Path) -> None:
    with working(tmp_path, "messages") as floor:
        store, bulk = floor.store, floor.bulk
        row = ordered(store)
        budget = limit(store, row.key_id, "usd", 1.0)
        start(store, row)
        floor.provider.until(lambda _: bool(bulk.handed_in), 30)
        floor.worker.kill()
        assert "a provider has 40 of its requests" in store.batch(row.id).note
        assert store.batch(row.id).done == 0 and leased(store, budget) > 0
        assert len(taken(store, row)) == COUNT
        floor.start()
        ended = until(store, row.id, over)
        assert (ended.status, ended.done, ended.failed, ended.note) == ("completed", COUNT, 0, ""), ended
        lines = lines_of(store, ended.output_file_id)
        said = [line["response"]["body"]["choices"][0]["message"]["content"] for line in lines]
        assert said == [f"You said: nr {n}" for n in range(COUNT)]
        assert len(bulk.handed_in) == 1 and len(bulk.answered) == COUNT
        assert all(request.wire is None for request in floor.provider.requests)
        totals = store.totals()
        assert totals.requests == COUNT
        assert totals.cost_nano_usd == ended.cost_nano_usd == spent(store, budget) > 0
        assert leased(store, budget) == 0 and taken(store, row) == frozenset()
        # words are tokens: half of $100 a million in, of $200 out
        assert ended.cost_nano_usd == ended.input_tokens * 50_000 + ended.output_tokens * 100_000


def test_what_a_provider_did_not_run_is_asked_one_by_one(floor: Floor) -> None:
    hangs = Reply(when=When(says="nr 7", nth=1), fault=Fault(kind="hang"))
    wrong = Reply(
        when=When(says="nr 8"), fault=Fault(kind="status", status=400, error_type="invalid_request_error")
    )
    floor.play(Script(bulk_delay_s=0.3, reply=(hangs, wrong)))
    row = ordered(floor.store)
    start(floor.store, row)
    ended = until(floor.store, row.id, over)
    assert (ended.status, ended.done, ended.failed) == ("completed", COUNT - 1, 1), ended
    assert floor.one_by_one() == 1


def test_one_that_only_waits_holds_no_place_and_a_cancel_is_passed_on(floor: Floor) -> None:
    floor.play(Script(bulk_delay_s=60))
    row = ordered(floor.store)
    budget = limit(floor.store, row.key_id, "usd", 1.0)
    start(floor.store, row)
    waits = until(floor.store, row.id, lambda row: row.run >= 3)
    assert waits.done == 0 and leased(floor.store, budget) > 0
    assert len(floor.bulk.handed_in) == floor.before[1] + 1, "in each of its runs it is only looked after"
    floor.store.update_batch(row.id, status="cancelling")
    ended = until(floor.store, row.id, over)
    assert (ended.status, ended.done) == ("cancelled", 0) and len(floor.bulk.answered) == floor.before[2]
    requests = floor.provider.requests[floor.before[0] :]
    assert sum(request.path.endswith("/cancel") for request in requests) == 1
    assert len(lines_of(floor.store, ended.error_file_id)) == COUNT
    assert leased(floor.store, budget) == 0


def test_what_it_may_not_cost_by_estimate_is_asked_one_by_one(floor: Floor) -> None:
    """What is under way at the provider counts as what it may come to."""
    floor.play(Script(bulk_delay_s=0.5))
    row = ordered(floor.store, max_cost_nano_usd=25 * 2_500_000)
    start(floor.store, row)
    floor.provider.until(lambda _: len(floor.bulk.handed_in) > floor.before[1], 30)
    handed_in = len(taken(floor.store, row))
    assert 20 <= handed_in < COUNT and floor.one_by_one() == 0
    ended = until(floor.store, row.id, over)
    assert (ended.status, ended.done) == ("completed", COUNT)
    assert floor.one_by_one() == COUNT - handed_in


async def test_a_server_lends_its_keys(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {"openai": "sk-1"}
    roots = tmp_path / "roots.pem"
    providers = {"openai": ProviderSettings(ca_file=str(roots))}
    settings = Settings(home=tmp_path, source=None, pepper=PEPPER, secrets=secrets, providers=providers)
    asked: list[Any] = []
    monkeypatch.setattr(module, "way_of", lambda *given, **more: asked.append((given[-1], more["ca_file"])))
    worker: Any = SimpleNamespace(store=store, jobs=SimpleNamespace(natives=None), patience=None)
    worker.settling = worker.standing = None
    equip(worker, settings)
    natives = worker.jobs.natives
    found = offer(natives._catalog(), "openai/gpt-5.4", SOON_US)
    assert found is not None and found.endpoint.provider == "openai"
    natives._reach(found)
    assert asked == [("sk-1", str(roots))]
    assert not natives._plans, "it is off unless it is turned on; what was begun is ended all the same"

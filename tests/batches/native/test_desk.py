"""Limits and ledger of requests that go to a batch API: nothing more than is allowed, nothing twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from batching import batch_row, part_rows
from fresh_store import fresh_store
from limiting import leased, limit, rule, spent
from native_batches import catalog

from tokenworks.batches.native.desk import Desk, Full, NotHere, enter, release
from tokenworks.batches.native.offer import HOUR_US, Offer, offer
from tokenworks.ledger.store import Store
from tokenworks.plans import keys
from tokenworks.providers.bulk.way import Outcome

PEPPER = bytes(range(32))
ANSWER = {
    "id": "x",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "good"}}],
    "usage": {"prompt_tokens": 40, "completion_tokens": 10, "total_tokens": 50},
}
COST = 40 * 50_000 + 10 * 100_000  # nano-dollars at half of $100 and $200 a million


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = fresh_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield made
    made.close()


@pytest.fixture
def here(tmp_path: Path) -> Offer:
    found = offer(catalog(tmp_path), "acme/fast", 25 * HOUR_US)
    assert found is not None
    return found


def batch_of(store: Store, count: int, **body: Any) -> tuple[Any, list[Any]]:
    """A batch of a new key, and its parts."""
    key_id, _ = keys.create(store, "somebody", PEPPER)
    row = batch_row(key_id=key_id)
    store.add_batch(row)
    said = {
        "model": "acme/fast",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "hi" * 80}],
        **body,
    }
    store.add_parts(row.id, part_rows(row.id, count, request=json.dumps(said).encode()))
    return store.batch(row.id), store.parts(row.id)


async def test_what_is_sent_and_what_comes_back(store: Store, here: Offer) -> None:
    batch, (part,) = batch_of(store, 1)
    desk = Desk(store, PEPPER, batch)
    admitted, body = await desk.admit(part, here)
    desk.close()
    assert (
        json.loads(body)["model"] == "m" and admitted.counts == () and admitted.expected_nano_usd > COST / 2
    )
    row, record = desk.settled(
        "tag", 1e9, admitted, part, here, Outcome("t-0", 200, json.dumps(ANSWER).encode())
    )
    assert row is not None and record is not None
    assert (row.status, row.input_tokens, row.output_tokens, row.cost_nano_usd) == ("done", 40, 10, COST)
    told = json.loads(row.result)["response"]
    assert told["request_id"] == record.id == row.generation_id
    assert told["body"]["choices"][0]["message"]["content"] == "good"
    assert told["body"]["model"] == "acme/fast" and told["body"]["usage"]["cost"] == COST / 1e9
    for _ in range(2):  # whoever collects twice enters once
        enter(store, batch.id, [record])
    found = store.generation(record.id)
    assert found is not None and store.totals().requests == 1 and store.totals().cost_nano_usd == COST
    assert (found.session, found.app, found.price_id[-6:]) == (batch.id, "batch", "+batch")
    release(store, batch.id)


async def test_a_budget_is_kept_and_holds_over_a_restart(
    store: Store, here: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tokenworks.batches.native.desk.WAIT_S", 0.3)
    batch, parts = batch_of(store, 40)
    budget = limit(store, batch.key_id, "usd", 0.1)
    desk = Desk(store, PEPPER, batch)
    admitted = []
    with pytest.raises(Full):
        for part in parts:
            admitted.append((await desk.admit(part, here))[0])
    desk.trim()
    reserved = sum(each.expected_nano_usd for each in admitted)
    assert 20 < len(admitted) < 40 and reserved <= 10**8 and leased(store, budget) == reserved
    again = Desk(store, PEPPER, batch)  # as after a crash: what was reserved is still
    with pytest.raises(Full):
        await again.admit(parts[-1], here)
    again.close()
    assert reserved <= leased(store, budget) <= 10**8
    records = []
    for each, part in zip(admitted, parts, strict=False):
        outcome = Outcome("", 200, json.dumps(ANSWER).encode())
        row, record = desk.settled("t", 1e9, each, part, here, outcome)
        assert row is not None and record is not None
        records.append(record)
    enter(store, batch.id, records[:5])
    enter(store, batch.id, records)
    assert spent(store, budget) == COST * len(records)
    release(store, batch.id)
    assert leased(store, budget) == 0


async def test_what_was_not_run_costs_nothing_and_a_refusal_is_a_result(store: Store, here: Offer) -> None:
    batch, (part,) = batch_of(store, 1)
    desk = Desk(store, PEPPER, batch)
    admitted, _ = await desk.admit(part, here)
    desk.close()
    for status in (0, 429, 500, 529):
        outcome = Outcome("", status, b"{}", "expired")
        assert desk.settled("t", 1e9, admitted, part, here, outcome) == (None, None), "asked one by one"
    assert desk.settled("t", 1e9, admitted, part, here, Outcome("", 200, b"no answer")) == (None, None)
    wrong = Outcome("", 400, b'{"error":{"message":"no"}}')
    row, record = desk.settled("t", 1e9, admitted, part, here, wrong)
    assert row is not None and record is not None
    assert (row.status, row.cost_nano_usd, record.status, record.cost_nano_usd) == ("failed", 0, 400, 0)


@pytest.mark.parametrize(
    "body",
    [{"provider": {"only": ["x"]}}, {"models": ["a"]}, {"stream": True}, {"reasoning": {}}, {"messages": 1}],
)
async def test_requests_that_are_asked_one_by_one(store: Store, here: Offer, body: dict[str, Any]) -> None:
    batch, (part,) = batch_of(store, 1, **body)
    desk = Desk(store, PEPPER, batch)
    if body == {"messages": 1}:  # malformed: its provider says so
        await desk.admit(part, here)
    else:
        with pytest.raises(NotHere):
            await desk.admit(part, here)
    desk.close()


async def test_a_rule_or_a_key_that_is_gone_keeps_it_here(store: Store, here: Offer) -> None:
    batch, (part,) = batch_of(store, 1)
    rule(store, batch.key_id, models=("other/*",))
    desk = Desk(store, PEPPER, batch)
    with pytest.raises(NotHere):
        await desk.admit(part, here)
    desk.close()
    gone = msgspec.structs.replace(batch, key_id="k_nobody")
    desk = Desk(store, PEPPER, gone)
    assert desk.key is None
    with pytest.raises(NotHere):
        await desk.admit(part, here)
    desk.close()

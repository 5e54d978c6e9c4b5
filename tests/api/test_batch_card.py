"""A batch as shown, and its results as they are sent piece by piece."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batching import batch_row, part_rows
from fresh_store import fresh_store

from tokenworks.api import batch_card
from tokenworks.api.batch_card import card, is_inline, part_card, with_results
from tokenworks.batches.lines import answered, refused
from tokenworks.ledger.batched import DONE, FAILED, OPEN, OVER, PartRow
from tokenworks.ledger.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = fresh_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    yield made
    made.close()


@pytest.mark.parametrize("status", [*OPEN, *OVER])
def test_every_status_is_one_that_clients_know(status: str) -> None:
    told = card(batch_row(status=status, finished_us=9_000_000 if status in OVER else None, note="why"))
    assert told["status"] in batch_card.STATUSES
    assert told["state"] == status
    times = {"completed_at", "failed_at", "expired_at", "cancelled_at"}
    assert {name for name in times if told[name] == 9} == ({f"{status}_at"} if status in OVER else set())
    assert (told["errors"] is not None) == (told["error"] is not None) == (status == "failed")


def test_a_failed_one_says_why_in_both_ways() -> None:
    told = card(batch_row(status="failed", note="the input file is empty"))
    assert told["error"] == {"message": "the input file is empty"}
    (error,) = told["errors"]["data"]
    assert (error["message"], error["line"]) == ("the input file is empty", None)


def test_money_and_tokens() -> None:
    row = batch_row(input_tokens=7, output_tokens=5, cost_nano_usd=1_500_000_000, max_cost_nano_usd=2 * 10**9)
    told = card(row)
    assert (told["cost"], told["max_cost"]) == (1.5, 2.0)
    usage = told["usage"]
    assert (usage["input_tokens"], usage["prompt_tokens"], usage["output_tokens"]) == (7, 7, 5)
    assert (usage["completion_tokens"], usage["total_tokens"], usage["cost"]) == (5, 12, 1.5)
    assert card(batch_row())["usage"] is None


def test_a_recipe_says_so() -> None:
    row = batch_row(kind="translate", endpoint="", options=b'{"to":"zh"}', metadata=b'{"a":"b"}')
    told = json.loads(batch_card.encode(card(row)))
    assert (told["recipe"], told["options"], told["metadata"]) == ("translate", {"to": "zh"}, {"a": "b"})
    assert json.loads(batch_card.encode(card(batch_row())))["recipe"] is None


def results(store: Store, row: Any) -> Any:
    return json.loads(b"".join(with_results(store, row)))


def test_results_go_with_requests_that_came_in_the_body(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_card, "AT_ONCE", 2)
    row = batch_row(status="cancelled", options=b'{"inline":"true"}')
    store.add_batch(row)
    store.add_parts(row.id, part_rows(row.id, 5))
    assert is_inline(row)
    for seq, (status, result) in enumerate(
        [(DONE, answered(200, "gen-1", b'{"ok":1}')), (FAILED, refused("timeout", "too slow"))]
    ):
        store.settle_part(PartRow(row.id, seq, f"p{seq}", status=status, result=result))
    told = results(store, row)["results"]
    assert [each["custom_id"] for each in told] == ["p0", "p1", "p2", "p3", "p4"]
    assert told[0]["response"]["body"] == {"ok": 1}
    assert [each["error"] and each["error"]["code"] for each in told] == [
        None,
        "timeout",
        *["batch_cancelled"] * 3,
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "in_progress", "options": b'{"inline":"true"}'},
        {"status": "completed"},
        {"kind": "translate"},
    ],
)
def test_results_stay_away_elsewhere(store: Store, fields: dict[str, Any]) -> None:
    row = batch_row(**fields)
    store.add_batch(row)
    store.add_parts(row.id, part_rows(row.id, 1))
    assert results(store, row)["results"] is None


def test_choices_are_as_clients_want_them(store: Store) -> None:
    row = batch_row(status="completed", options=b'{"inline":"true"}')
    store.add_batch(row)
    store.add_parts(row.id, part_rows(row.id, 2))
    for seq, choice in enumerate([{}, {"native_finish_reason": "end"}]):
        body = json.dumps({"object": "chat.completion", "choices": [{"index": 0, **choice}]}).encode()
        store.settle_part(PartRow(row.id, seq, "p", status=DONE, result=answered(200, "gen-1", body)))
    told = [each["response"]["body"]["choices"][0] for each in results(store, row)["results"]]
    assert [each["native_finish_reason"] for each in told] == [None, "end"]


@pytest.mark.parametrize(
    ("body", "message", "kind"),
    [
        (
            b'{"error":{"message":"no","type":"invalid_request_error","param":"x"}}',
            "no",
            "invalid_request_error",
        ),
        (b'{"error":"no"}', "HTTP 400", "upstream_error"),
        (b"<html>", "HTTP 400", "upstream_error"),
    ],
)
def test_an_answer_that_is_an_error_is_one_there(store: Store, body: bytes, message: str, kind: str) -> None:
    row = batch_row(status="completed", options=b'{"inline":"true"}')
    store.add_batch(row)
    store.add_parts(row.id, part_rows(row.id, 1))
    store.settle_part(PartRow(row.id, 0, "p0", status=FAILED, result=answered(400, "gen-1", body)))
    (told,) = results(store, row)["results"]
    assert told["response"] is None
    assert (told["error"]["code"], told["error"]["message"], told["error"]["type"]) == (400, message, kind)


def test_none_at_all(store: Store) -> None:
    assert results(store, batch_row(status="completed", options=b'{"inline":"true"}'))["results"] == []


def test_a_part() -> None:
    told = part_card(PartRow("b", 3, "a", status=FAILED, cost_nano_usd=10**9, result=refused("x", "y")))
    assert (told["seq"], told["cost"]) == (3, 1.0)
    assert b'"message":"y"' in batch_card.encode(told)
    assert part_card(PartRow("b", 3, "a"))["result"] is None

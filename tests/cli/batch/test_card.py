"""A batch in JSON and in one line."""

from __future__ import annotations

import json

import pytest
from batching import batch_row, part_rows

from tokenworks.batches.forecast import Forecast
from tokenworks.cli.batch.card import card, found, part_card, summary
from tokenworks.errors import NotFound
from tokenworks.ledger.store import Store


def test_the_card_is_json_with_money_in_dollars() -> None:
    row = batch_row(options=b'{"to":"de"}', total=3, done=1, failed=1, cost_nano_usd=1_500_000_000)
    shown = json.loads(json.dumps(card(row, Forecast(cost_usd=4.5))))
    assert shown["parts"] == {"total": 3, "done": 1, "failed": 1, "waiting": 1}
    assert (shown["cost_usd"], shown["options"], shown["forecast"]["cost_usd"]) == (1.5, {"to": "de"}, 4.5)
    assert "forecast" not in card(row)


def test_a_part_has_its_result() -> None:
    (part,) = part_rows("batch_x", 1, result=b'{"checked":{"value":"x"}}')
    assert part_card(part)["result"] == {"checked": {"value": "x"}}


def test_a_line_has_no_control_characters() -> None:
    line = summary(batch_row(note="a\x1b[31mb", status="paused", total=2000, done=1, failed=2))
    assert "\x1b" not in line and "paused: a" in line and "1 of 2,000 parts, 2 failed" in line


def test_a_batch_is_found_by_its_beginning(store: Store) -> None:
    for batch_id in ("batch_aaaa1111", "batch_aaaa2222", "batch_bbbb"):
        store.add_batch(batch_row(id=batch_id))
    assert found(store, "batch_aaaa1111").id == found(store, "aaaa1").id == "batch_aaaa1111"
    with pytest.raises(NotFound, match="2 batches begin with aaaa"):
        found(store, "aaaa")
    for text in ("bbb", "zzzz", ""):
        with pytest.raises(NotFound, match="no batch has the id"):
            found(store, text)

"""What is done about keys is listed with its reasons, and lifted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from tokenworks.api.fair_use import reasons
from tokenworks.ledger.limit_rows import ActionRow

Called = Callable[..., Any]
PATH = "/v1/fair-use"


async def test_listed_and_lifted(called: Called) -> None:
    client = called()
    boss, admin = client.new_key("boss", "admin")
    alice, _ = client.new_key("alice")
    bob, _ = client.new_key("bob")
    now_us = time.time_ns() // 1000
    client.store.set_action(ActionRow(alice, "slow", json.dumps(["300 requests an hour"]), 1_000_000))
    client.store.set_action(ActionRow(bob, "suspend", "[]", 2_000_000, now_us - 1))
    first, second = (await client.get(PATH, headers=admin)).json()["data"]
    assert first == {
        "key_id": alice,
        "action": "slow",
        "reasons": ["300 requests an hour"],
        "since": "1970-01-01T00:00:01.000Z",
        "until": None,
        "active": True,
    }
    assert (second["key_id"], second["active"]) == (bob, False)
    url = f"{PATH}/{client.store.key(alice).hash}"
    assert (await client.delete(url, headers=admin)).json() == {"deleted": True}
    assert (await client.delete(url, headers=admin)).status_code == 404
    assert (await client.delete(f"{PATH}/k_none", headers=admin)).status_code == 404
    assert client.store.audit(target=alice)[0].actor == boss


def test_reasons_are_sentences() -> None:
    assert reasons("") == []
    assert reasons('["a", 1]') == ["a", "1"]
    assert reasons('"a"') == ["a"]
    assert reasons("not json") == ["not json"]

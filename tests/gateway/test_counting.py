"""Tokens that nobody counts, of a model that is not chosen yet. Of others: see ``test_front``."""

from __future__ import annotations

from pathlib import Path

from choosing_models import CHEAP, auto_door, settled

BODY = {"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "word " * 100}]}


async def test_an_agent_may_count_for_auto(tmp_path: Path) -> None:
    async with auto_door(tmp_path) as (door, upstream):
        answer = await door.client.post("/v1/messages/count_tokens", json=BODY)
        assert answer.status_code == 200 and 100 < answer.json()["input_tokens"] < 200
        assert answer.headers["x-tokenworks-estimated"] == "true"
        (record,) = settled(door, "ok")
        assert (record.cost_nano_usd, record.decision, upstream.requests) == (0, b"", [])
        named = await door.client.post("/v1/messages/count_tokens", json={**BODY, "model": CHEAP})
        assert named.json() == answer.json()


async def test_names_that_mean_nothing_here(tmp_path: Path) -> None:
    async with auto_door(tmp_path) as (door, _):
        for model in ("auto:8b", "else/auto"):
            answer = await door.client.post("/v1/messages/count_tokens", json={**BODY, "model": model})
            assert answer.status_code == 400 and "unknown model" in answer.text

"""What is particular to the way of messages."""

from __future__ import annotations

import json

import pytest
from handing_in import PATHS, lined, requests

from tokenworks.providers.bulk.messages import Messages
from tokenworks.providers.scripted import Fault, Reply, Script, ScriptedProvider


async def test_one_body_holds_all(monkeypatch) -> None:
    monkeypatch.setattr("tokenworks.providers.bulk.messages.PAGE", 2)
    async with ScriptedProvider() as provider, lined(provider.origin) as line:
        way = Messages(line)
        ids = [await way.submit(f"t{n}", PATHS["messages"], requests(f"t{n}", 2)) for n in range(5)]
        asked = json.loads(provider.requests[0].raw)
        assert [each["custom_id"] for each in asked["requests"]] == ["t0-0", "t0-1"]
        assert asked["requests"][0]["params"]["max_tokens"] == 20
        assert await way.find("t0", 0.0) == ids[0] and await way.find("t", 0.0) == ""


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("invalid_request_error", 400),
        ("overloaded_error", 529),
        ("api_error", 500),
        ("rate_limit_error", 429),
    ],
)
async def test_errors_get_the_status_that_they_have_elsewhere(kind: str, status: int) -> None:
    body = json.dumps({"type": "error", "error": {"type": kind, "message": "no"}})
    fault = Fault(kind="status", status=status, body=body)
    async with (
        ScriptedProvider(Script(reply=(Reply(fault=fault),))) as provider,
        lined(provider.origin) as line,
    ):
        way = Messages(line)
        batch_id = await way.submit("t", PATHS["messages"], requests("t", 1))
        (outcome,) = [each async for each in way.results(batch_id)]
        assert outcome.status == status and b"no" in outcome.body

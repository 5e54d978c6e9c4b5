"""What was used each day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tokenworks.api.activity import span
from tokenworks.config.settings import ProviderModelSettings
from tokenworks.errors import BadRequest

Called = Callable[..., Any]
PATH = "/v1/activity"
TODAY = date(2026, 3, 1)
FAST = ProviderModelSettings(id="acme/fast", context_length=8192, input_mtok=1.0, output_mtok=2.0)


def test_spans() -> None:
    assert span(None, TODAY) == (date(2026, 1, 30), TODAY)  # the days that are over
    assert span("2026-02-28", TODAY) == (date(2026, 2, 28), TODAY)
    assert span("2026-03-01", TODAY) == (TODAY, date(2026, 3, 2))  # so far
    assert span("2026-01-30", TODAY)[0] == date(2026, 1, 30)


@pytest.mark.parametrize(
    "day", ["2026-01-29", "2026-03-02", "2026-02-30", "26-2-1", "", "today", "2026-02-1\n", "٢٠٢٦-٠٢-٠١"]
)
def test_no_other_day(day: str) -> None:
    with pytest.raises(BadRequest, match="date must be"):
        span(day, TODAY)


async def test_days_models_and_providers_apart(called: Called, acme: Callable[..., Any]) -> None:
    client = called(**acme(FAST, title="Acme Inc"))
    key_id, _ = client.new_key()
    other, admin = client.new_key("boss", "admin")
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    today_s = (datetime.now(UTC) - midnight).total_seconds()
    yesterday = (midnight - timedelta(days=1)).date().isoformat()
    used = {"uncached_input_tokens": 10, "cache_read_tokens": 5, "output_tokens": 7, "reasoning_tokens": 2}
    client.record(key_id, age_s=today_s + 60, cost_nano_usd=500_000_000, **used)
    client.record(other, age_s=today_s + 120, cost_nano_usd=500_000_000, **used)
    client.record(key_id, age_s=today_s + 60, provider="gone", cost_nano_usd=1, output_tokens=1)
    client.record(key_id, age_s=0, cost_nano_usd=2_000_000_000)  # today is not over
    client.record(key_id, age_s=today_s + 32 * 86_400, cost_nano_usd=3_000_000_000)  # too long ago
    found = (await client.get(PATH, headers=admin)).json()["data"]
    assert found[0] == {
        "date": yesterday,
        "model": "acme/fast",
        "model_permaslug": "acme/fast",
        "endpoint_id": "acme",
        "provider_name": "Acme Inc",
        "requests": 2,
        "usage": 1.0,
        "byok_usage_inference": 0.0,
        "prompt_tokens": 30,
        "completion_tokens": 14,
        "reasoning_tokens": 4,
        "cached_tokens": 10,
    }
    assert [(each["provider_name"], each["requests"]) for each in found[1:]] == [("gone", 1)]
    today = midnight.date().isoformat()
    (so_far,) = (await client.get(PATH, headers=admin, params={"date": today})).json()["data"]
    assert (so_far["date"], so_far["usage"]) == (today, 2.0)
    one = await client.get(
        PATH, headers=admin, params={"date": yesterday, "api_key_hash": client.store.key(other).hash}
    )
    assert [(each["requests"], each["usage"]) for each in one.json()["data"]] == [(1, 0.5)]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("date=x", 400),
        ("date=1999-01-01", 400),
        ("date=" + "9" * 50, 400),
        ("user_id=u", 400),
        ("group_by=workspace", 400),
        ("workspace_id=w", 400),
        ("api_key_hash=none", 404),
        ("api_key_hash=%00", 404),
    ],
)
async def test_what_can_not_be_told(called: Called, query: str, status: int) -> None:
    client = called()
    _, admin = client.new_key("boss", "admin")
    assert (await client.get(f"{PATH}?{query}", headers=admin)).status_code == status

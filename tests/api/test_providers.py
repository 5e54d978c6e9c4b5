"""Who serves models here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tokenworks.config.settings import EngineSettings, ProviderModelSettings

ENGINES = {"smol": EngineSettings(model="huggingfacetb/smollm2-135m-instruct", path="/m/smol.gguf")}
FAST = ProviderModelSettings(id="acme/fast", context_length=8192, input_mtok=0.2, output_mtok=0.4)


async def test_active_providers_by_slug(called: Callable[..., Any], acme: Callable[..., Any]) -> None:
    client = called(**acme(FAST, title="Acme Inc", country="SE"), engines=ENGINES)
    found = (await client.get("/v1/providers")).json()["data"]
    assert [(each["slug"], each["name"], each["headquarters"]) for each in found] == [
        ("acme", "Acme Inc", "SE"),
        ("local", "This machine", None),
    ]
    assert found[0]["privacy_policy_url"] is None
    assert (await called().get("/v1/providers")).json() == {"data": []}

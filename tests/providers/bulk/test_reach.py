"""From the catalogue to a batch API: where it is, and with which headers."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tokenworks.catalog.presets import presets
from tokenworks.config.settings import UpstreamSettings
from tokenworks.errors import ConfigError
from tokenworks.http.timers import Sweeper
from tokenworks.http.upstream import Pool
from tokenworks.providers.bulk.reach import PATHS, WAYS, way_of
from tokenworks.providers.bulk.way import Request
from tokenworks.providers.scripted import ScriptedProvider
from tokenworks.schema import BatchApi, Provider


def api(way: str, wire: str) -> BatchApi:
    return BatchApi(way, wire, 0.5, "a test", "2026-11-26")


def provider(origin: str, way: str, auth: str) -> Provider:
    wire = {"files": "openai_chat", "messages": "anthropic_messages"}[way]
    base_url = f"{origin}/v1" if way == "files" else origin
    headers = (("x-more", "1"),)
    return Provider("acme", "Acme", wire, base_url, auth=auth, headers=headers, allow_private=True)


@pytest.mark.parametrize(
    ("way", "auth", "sent"),
    [
        ("files", "bearer", {"authorization": "Bearer sk-1"}),
        ("messages", "x-api-key", {"x-api-key": "sk-1", "anthropic-version": "2023-06-01"}),
        ("files", "none", {}),
    ],
)
async def test_headers_and_paths(way: str, auth: str, sent: dict[str, str]) -> None:
    loop = asyncio.get_running_loop()
    sweeper = Sweeper(loop)
    pool = Pool(loop, UpstreamSettings(), sweeper)
    async with ScriptedProvider() as scripted:
        acme = provider(scripted.origin, way, auth)
        made = way_of(pool, acme, api(way, acme.wire), "sk-1")
        await made.submit("t", PATHS[acme.wire], [Request("t-0", b'{"model":"m","messages":[]}')])
        headers = scripted.requests[0].headers
        names = ("authorization", "x-api-key", "anthropic-version")
        assert {name: headers[name] for name in names if name in headers} == sent and headers["x-more"] == "1"
    pool.close()
    sweeper.stop()
    with pytest.raises(ConfigError, match="can't be reached as the catalogue says"):
        way_of(pool, acme, api("nonsense", acme.wire), "")
    with pytest.raises(ConfigError):
        way_of(pool, acme, api("files", "openai_responses"), "")


def test_what_the_catalogue_says_can_be_used() -> None:
    known = [preset for preset in presets().values() if preset.batch is not None]
    assert len(known) == 2
    for preset in known:
        assert preset.batch is not None
        assert preset.batch.way in WAYS and preset.batch.wire in PATHS and 0 < preset.batch.discount < 1
        assert preset.batch.wire in (preset.wire, *preset.more_wires)
        assert preset.batch.source.startswith("https://") and preset.batch.checked
        assert msgspec.structs.asdict(preset.batch)["window_h"] == 24

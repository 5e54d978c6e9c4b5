"""What of answered requests is offered to be kept: what was served, once, and only by consent."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from choosing_models import (
    CHEAP,
    LYON,
    OTHER,
    PARIS,
    STRONG,
    ask,
    auto_door,
    says,
    settled,
)
from doorway import Door

from tokenworks.config.auto import AutoSettings
from tokenworks.config.settings import RoutingSettings
from tokenworks.gateway.capture import Captures
from tokenworks.ledger.captured import CaptureRow
from tokenworks.providers.scripted import Fault

CONSENTED = {"routing": RoutingSettings(auto=AutoSettings(capture="consented"))}
ALL = {"routing": RoutingSettings(auto=AutoSettings(capture="all"))}
YES, NO = {"x-tokenworks-capture": "allow"}, {"x-tokenworks-capture": "deny"}
BUFFER = {"stream": True, "cascade": {"buffer": True}}


def kept(door: Door) -> list[tuple[CaptureRow, dict[str, Any]]]:
    captures = door.gateway.captures
    assert captures is not None
    captures.close()
    return [(row, json.loads(zlib.decompress(row.body))) for row in door.store.captures(0, 2**62)]


def capture_at(door: Door) -> None:
    door.gateway.captures = Captures(door.store, 30)


@pytest.mark.parametrize("more", [{}, BUFFER], ids=["whole", "stream"])
async def test_what_was_served_is_kept_and_nothing_else(tmp_path: Path, more: dict[str, Any]) -> None:
    async with auto_door(tmp_path, more=CONSENTED) as (door, _):
        capture_at(door)
        assert (await door.post(ask(**more), headers=YES)).status_code == 200
        first, _ = settled(door, "ok", "ok")
        ((row, body),) = kept(door)
        assert (row.id, row.model, row.task, row.right_share) == (
            first.id,
            CHEAP,
            "knowledge",
            pytest.approx(0.99),
        )
        assert (body["answer"], body["consent"], body["messages"][0]["role"]) == (PARIS, "request", "user")


@pytest.mark.parametrize("more", [{}, BUFFER], ids=["whole", "stream"])
async def test_a_doubted_answer_that_was_served_is_kept_as_one(tmp_path: Path, more: dict[str, Any]) -> None:
    replies = says(OTHER, LYON), says(STRONG, fault=Fault("status"))
    async with auto_door(tmp_path, *replies, more=CONSENTED) as (door, _):
        capture_at(door)
        assert (await door.post(ask(**more), headers=YES)).status_code == 200
        ((row, _),) = kept(door)
        assert row.right_share < 0.9


@pytest.mark.parametrize("more", [{}, {"stream": True}], ids=["whole", "stream"])
async def test_named_models_too(tmp_path: Path, more: dict[str, Any]) -> None:
    async with auto_door(tmp_path, more=ALL) as (door, _):
        capture_at(door)
        body = ask(**more) | {"model": STRONG}
        assert (await door.post(body)).status_code == 200
        assert (await door.post(body, headers=NO)).status_code == 200
        assert (await door.post(body | {"provider": {"data_collection": "deny"}})).status_code == 400
        ((row, told),) = kept(door)
        assert (row.model, row.right_share, told["answer"]) == (STRONG, pytest.approx(0.95), PARIS)
        assert row.id == door.records()[0].id and told["consent"] == "all"


async def test_not_without_consent_nor_where_nobody_decides(tmp_path: Path) -> None:
    async with auto_door(tmp_path, more=CONSENTED) as (door, _):
        capture_at(door)
        assert (await door.post(ask())).status_code == 200
        door.gateway.auto = None
        assert (await door.post(ask() | {"model": STRONG}, headers=YES)).status_code == 200
        assert kept(door) == []


async def test_not_what_failed(tmp_path: Path) -> None:
    broken = says(STRONG, PARIS, fault=Fault("early_close", after_chunk=3))
    async with auto_door(tmp_path, broken, more=ALL) as (door, _):
        capture_at(door)
        await door.post(ask(stream=True) | {"model": STRONG})
        assert kept(door) == []

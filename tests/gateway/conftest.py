"""Gateways for the tests of this room."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from doorway import Door

from tokenworks.config.settings import EngineSettings, ProviderSettings


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """``await door(providers)``: an open gateway, closed at the end."""
    opened: list[Door] = []

    async def make(providers: dict[str, ProviderSettings], **more: Any) -> Door:
        one = Door(tmp_path / f"home{len(opened)}", providers, **more)
        opened.append(one)
        await one.open()
        return one

    yield make
    for one in opened:
        await one.close()


@pytest.fixture
def engine_settings(tmp_path: Path) -> dict[str, EngineSettings]:
    """One engine of our own, named ``tiny``."""
    return {"tiny": EngineSettings(model="local/tiny", path=str(tmp_path / "tiny.gguf"), aliases=("tiny",))}

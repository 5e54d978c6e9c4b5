"""What answers at the root: some clients look there before anything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tokenworks import __version__


async def test_root_says_what_this_is(called: Callable[..., Any]) -> None:
    answer = await called().get("/")
    assert answer.status_code == 200
    assert answer.json() == {"name": "tokenworks", "version": __version__, "docs": "/docs"}
    assert (await called().get(answer.json()["docs"])).status_code == 200


async def test_head_is_enough_for_a_look(called: Callable[..., Any]) -> None:
    answer = await called().head("/")
    assert answer.status_code == 200

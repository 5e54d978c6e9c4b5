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


async def test_a_browser_is_led_to_the_console(called: Callable[..., Any]) -> None:
    client = called()
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    answer = await client.get("/", headers={"accept": browser})
    assert (answer.status_code, answer.headers["location"]) == (303, "/console")
    for accept in ("*/*", "application/json", "application/json, text/html", ""):
        answer = await client.get("/", headers={"accept": accept})
        assert answer.json()["name"] == "tokenworks", accept
    answer = await client.head("/", headers={"accept": browser})
    assert answer.status_code == 200

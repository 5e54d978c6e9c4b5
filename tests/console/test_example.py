"""What people are told to paste into a shell."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import Request

from tokenworks.config.settings import (
    EngineSettings,
    ProviderModelSettings,
    ProviderSettings,
    ServerSettings,
)
from tokenworks.console.example import curl

Opened = Callable[..., Any]
HELLO = [{"role": "user", "content": "Hello!"}]


def asked(browser: Any, host: str = "tw:8642", **headers: str) -> Request:
    given = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    raw = [(name.encode(), value.encode()) for name, value in given.items()]
    scope = {"type": "http", "method": "GET", "path": "/", "scheme": "http", "headers": raw}
    return Request({**scope, "app": browser.app.routes[-1].app.app})


def words(text: str) -> list[str]:
    """As a shell takes it apart."""
    line = text.replace("\\\n", "")
    assert "\n" not in line
    return shlex.split(line)


async def test_it_is_a_request_to_the_address_of_the_page(opened: Opened) -> None:
    browser = opened()
    told = words(curl(asked(browser), "acme/fast"))
    assert told[:2] == ["curl", "http://tw:8642/v1/chat/completions"]
    assert told[2:4] == ["-H", "Authorization: Bearer $TOKENWORKS_KEY"]
    assert told[4:6] == ["-H", "Content-Type: application/json"]
    assert told[6] == "-d" and json.loads(told[7]) == {"model": "acme/fast", "messages": HELLO}
    secure = words(curl(asked(browser, "[::1]:1", x_forwarded_proto="https"), "a"))
    assert secure[1] == "https://[::1]:1/v1/chat/completions"


@pytest.mark.parametrize("host", ["evil;rm -rf", "a b", "$(x)", "`x`", "'", "", "a/b", "\\"])
async def test_nothing_else_is_run(opened: Opened, host: str) -> None:
    browser = opened(server=ServerSettings(port=8642))
    told = words(curl(asked(browser, host), 'it\'s $HOME `x` "你"'))
    assert told[1] == "http://127.0.0.1:8642/v1/chat/completions"
    assert json.loads(told[-1])["model"] == 'it\'s $HOME `x` "你"' and len(told) == 8


async def test_a_model_that_can_be_called_is_taken(opened: Opened) -> None:
    def model(**settings: Any) -> str:
        return str(json.loads(words(curl(asked(opened(**settings))))[-1])["model"])

    sold = ProviderModelSettings(id="acme/fast", context_length=8192)
    acme = ProviderSettings(wire="openai_chat", base_url="https://acme.example/v1", models=(sold,))
    providers: dict[str, Any] = {"providers": {"acme": acme}, "secrets": {"acme": "sk"}}
    assert model() == "MODEL"
    assert model(**providers) == "acme/fast"
    assert model(**providers, auto=object()) == "auto"
    assert model(**providers, auto=object(), engines={"e": EngineSettings(model="own", path="x")}) == "own"

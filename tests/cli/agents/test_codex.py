"""Codex's command line, read as it reads it: each ``-c`` is a line of TOML."""

import tomllib
from itertools import pairwise
from typing import Any

from tokenworks.cli.agents.agent import Launch, Model
from tokenworks.cli.agents.codex import AGENT

URL = "http://127.0.0.1:8642"
FAST = Model("acme/fast", "Acme Fast", 131_072)


def overrides(launch: Launch) -> dict[str, Any]:
    command = launch.command
    return tomllib.loads("\n".join(value for flag, value in pairwise(command) if flag == "-c"))


def test_a_provider_on_the_responses_wire() -> None:
    launch = AGENT.prepare(URL, "tw-key", FAST, [FAST])
    assert overrides(launch) == {
        "model_provider": "tokenworks",
        "model_providers": {
            "tokenworks": {
                "name": "Tokenworks",
                "base_url": "http://127.0.0.1:8642/v1",
                "wire_api": "responses",
                "requires_openai_auth": False,
                "env_key": "OPENAI_API_KEY",
                "http_headers": {"X-Title": "Codex"},
            }
        },
        "model_context_window": 131_072,
    }
    assert launch.command[0] == "codex"
    assert launch.command[-2:] == ["-m", "acme/fast"]
    assert (launch.env, launch.files, launch.unset) == ({"OPENAI_API_KEY": "tw-key"}, {}, ())


def test_without_a_key_no_credential_is_named() -> None:
    """Then none is sent, neither the account's nor that of the user's environment."""
    launch = AGENT.prepare(URL, "", Model('odd"name\\', "?"), [])
    assert "env_key" not in overrides(launch)["model_providers"]["tokenworks"]
    assert launch.env == {}
    assert "model_context_window" not in overrides(launch)
    assert launch.command[-1] == 'odd"name\\'

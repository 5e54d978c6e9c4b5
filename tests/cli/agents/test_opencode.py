"""OpenCode's one file more."""

import json
from typing import Any

from tokenworks.cli.agents.agent import Launch, Model
from tokenworks.cli.agents.opencode import AGENT

URL = "http://127.0.0.1:8642"
FAST = Model("acme/fast", "Acme Fast", 131_072, 8192)
AUTO = Model("auto", "auto")


def config(launch: Launch) -> Any:
    return json.loads(launch.files["opencode.json"])


def test_one_provider_with_every_model() -> None:
    launch = AGENT.prepare(URL, "tw-key", FAST, [FAST, AUTO])
    assert config(launch) == {
        "$schema": "https://opencode.ai/config.json",
        "model": "tokenworks/acme/fast",
        "small_model": "tokenworks/acme/fast",
        "provider": {
            "tokenworks": {
                "npm": "@ai-sdk/openai-compatible",
                "name": "Tokenworks",
                "options": {
                    "baseURL": "http://127.0.0.1:8642/v1",
                    "apiKey": "{env:TOKENWORKS_KEY}",
                    "headers": {"X-Title": "OpenCode"},
                },
                "models": {
                    "acme/fast": {"name": "Acme Fast", "limit": {"context": 131_072, "output": 8192}},
                    "auto": {"name": "auto"},
                },
            }
        },
    }


def test_environment() -> None:
    launch = AGENT.prepare(URL, "tw-key", FAST, [FAST])
    assert launch.command == ["opencode"]
    assert launch.env == {
        "OPENCODE_CONFIG_DIR": "$FOLDER",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "TOKENWORKS_KEY": "tw-key",
    }
    assert launch.unset == ("OPENCODE_CONFIG_CONTENT",)
    assert "tw-key" not in launch.files["opencode.json"]


def test_without_a_key_none_is_sent() -> None:
    launch = AGENT.prepare(URL, "", FAST, [FAST])
    assert "apiKey" not in config(launch)["provider"]["tokenworks"]["options"]
    assert "TOKENWORKS_KEY" not in launch.env

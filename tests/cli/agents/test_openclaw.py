"""OpenClaw's one file, and where it is told to find it."""

import json
from typing import Any

from tokenworks.cli.agents.agent import Launch, Model
from tokenworks.cli.agents.openclaw import AGENT

URL = "http://127.0.0.1:8642"
FAST = Model("acme/fast", "Acme Fast", 131_072, 8192)
AUTO = Model("auto", "auto")


def config(launch: Launch) -> Any:
    return json.loads(launch.files["openclaw.json"])


def test_one_provider_with_every_model() -> None:
    launch = AGENT.prepare(URL, "tw-key", FAST, [FAST, AUTO])
    assert config(launch)["models"] == {
        "mode": "merge",
        "providers": {
            "tokenworks": {
                "baseUrl": "http://127.0.0.1:8642/v1",
                "apiKey": "${TOKENWORKS_KEY}",
                "api": "openai-completions",
                "headers": {"X-Title": "OpenClaw"},
                "models": [
                    {
                        "id": "acme/fast",
                        "name": "Acme Fast",
                        "input": ["text"],
                        "contextWindow": 131_072,
                        "maxTokens": 8192,
                    },
                    {"id": "auto", "name": "auto", "input": ["text"], "maxTokens": 32_000},
                ],
            }
        },
    }
    defaults = config(launch)["agents"]["defaults"]
    assert defaults["model"] == {"primary": "tokenworks/acme/fast"}
    assert defaults["models"] == {"tokenworks/acme/fast": {}, "tokenworks/auto": {}}


def test_its_state_goes_with_the_folder_and_its_work_stays() -> None:
    launch = AGENT.prepare(URL, "tw-key", FAST, [FAST])
    assert launch.command == ["openclaw", "chat"]
    assert launch.env == {
        "OPENCLAW_STATE_DIR": "$FOLDER",
        "OPENCLAW_HOME": "$FOLDER",
        "OPENCLAW_CONFIG_PATH": "$FOLDER/openclaw.json",
        "OPENCLAW_HIDE_BANNER": "1",
        "TOKENWORKS_KEY": "tw-key",
    }
    defaults = config(launch)["agents"]["defaults"]
    assert (defaults["workspace"], defaults["skipBootstrap"]) == ("${PWD}", True)


def test_the_key_stands_in_no_file() -> None:
    launch = AGENT.prepare(URL, "tw-key", FAST, [FAST])
    assert "tw-key" not in launch.files["openclaw.json"]

"""OpenClaw, which speaks the chat wire and reads one file; its state goes with the temporary folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tokenworks.cli.agents.agent import FOLDER, KEY_VARIABLE, PROVIDER, Agent, Launch, Model

CONFIG = "openclaw.json"
TITLE = "OpenClaw"


def prepare(url: str, key: str, model: Model, models: Sequence[Model]) -> Launch:
    """A folder of its own with one provider in it; it works where it was started."""
    provider: dict[str, Any] = {
        "baseUrl": f"{url}/v1",
        "api": "openai-completions",
        "headers": {"X-Title": TITLE},
        "models": [_described(each) for each in models],
    }
    if key:
        provider["apiKey"] = f"${{{KEY_VARIABLE}}}"
    config = {
        "models": {"mode": "merge", "providers": {PROVIDER: provider}},
        "agents": {
            "defaults": {
                # Else it would work in the temporary folder and lose what it made, or fill the
                # user's folder with the files of a new workspace.
                "workspace": "${PWD}",
                "skipBootstrap": True,
                "model": {"primary": f"{PROVIDER}/{model.id}"},
                "models": {f"{PROVIDER}/{each.id}": {} for each in models},
            }
        },
    }
    env = {
        "OPENCLAW_STATE_DIR": FOLDER,
        "OPENCLAW_HOME": FOLDER,
        "OPENCLAW_CONFIG_PATH": f"{FOLDER}/{CONFIG}",
        "OPENCLAW_HIDE_BANNER": "1",
    }
    if key:
        env[KEY_VARIABLE] = key
    return Launch(["openclaw", "chat"], env, files={CONFIG: json.dumps(config, indent=2)})


def _described(model: Model) -> dict[str, Any]:
    described: dict[str, Any] = {
        "id": model.id,
        "name": model.name,
        "input": ["text"],
        "maxTokens": model.answer_tokens,
    }
    if model.context_length:
        described["contextWindow"] = model.context_length
    return described


AGENT = Agent("openclaw", "openclaw", prepare)

"""OpenCode, which speaks the chat wire and reads one file more than the user's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tokenworks.cli.agents.agent import FOLDER, KEY_VARIABLE, PROVIDER, Agent, Launch, Model

CONFIG = "opencode.json"
TITLE = "OpenCode"
UNSET = ("OPENCODE_CONFIG_CONTENT",)  # read after every file, so it would win


def prepare(url: str, key: str, model: Model, models: Sequence[Model]) -> Launch:
    """One provider, with every model of the server to choose from."""
    options: dict[str, Any] = {"baseURL": f"{url}/v1", "headers": {"X-Title": TITLE}}
    if key:
        options["apiKey"] = f"{{env:{KEY_VARIABLE}}}"
    config = {
        "$schema": "https://opencode.ai/config.json",
        "model": f"{PROVIDER}/{model.id}",
        "small_model": f"{PROVIDER}/{model.id}",  # it writes titles; else a model of another provider might
        "provider": {
            PROVIDER: {
                "npm": "@ai-sdk/openai-compatible",
                "name": "Tokenworks",
                "options": options,
                "models": {each.id: _described(each) for each in models},
            }
        },
    }
    env = {"OPENCODE_CONFIG_DIR": FOLDER, "OPENCODE_DISABLE_AUTOUPDATE": "1"}
    if key:
        env[KEY_VARIABLE] = key
    return Launch(["opencode"], env, unset=UNSET, files={CONFIG: json.dumps(config, indent=2)})


def _described(model: Model) -> dict[str, Any]:
    described: dict[str, Any] = {"name": model.name}
    if model.context_length:  # it wants both limits or none
        described["limit"] = {"context": model.context_length, "output": model.answer_tokens}
    return described


AGENT = Agent("opencode", "opencode-ai", prepare)

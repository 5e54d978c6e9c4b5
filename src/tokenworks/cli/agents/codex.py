"""Codex, which speaks the responses wire and is configured on its command line."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tokenworks.cli.agents.agent import PROVIDER, Agent, Launch, Model

TITLE = "Codex"
KEY_ENV = "OPENAI_API_KEY"


def prepare(url: str, key: str, model: Model, models: Sequence[Model]) -> Launch:
    """One ``-c`` for each setting; its values are TOML, of which JSON's strings are a part."""
    provider = f"model_providers.{PROVIDER}"
    settings: dict[str, str | int | bool] = {
        "model_provider": PROVIDER,
        f"{provider}.name": "Tokenworks",
        f"{provider}.base_url": f"{url}/v1",
        f"{provider}.wire_api": "responses",
        f"{provider}.requires_openai_auth": False,
        f"{provider}.http_headers.X-Title": TITLE,
    }
    if key:  # without the setting it sends no credential at all
        settings[f"{provider}.env_key"] = KEY_ENV
    if model.context_length:
        settings["model_context_window"] = model.context_length
    command = ["codex"]
    for name, value in settings.items():
        command += ["-c", f"{name}={json.dumps(value)}"]
    command += ["-m", model.id]
    return Launch(command, {KEY_ENV: key} if key else {})


AGENT = Agent("codex", "@openai/codex", prepare)
